"""photo libraries: their photos, runs and edits, and the ledger of what models said

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
JSON = sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')
KEY = sa.Text().with_variant(sa.Text(collation='C'), 'postgresql')
UNFINISHED = "state IN ('queued', 'listing', 'running', 'paused')"
JOBS_LISTED = 'deleted_at IS NULL AND library_run IS NULL'
JOBS_LISTED_BEFORE = 'deleted_at IS NULL'


def where(condition):
    return {'sqlite_where': sa.text(condition), 'postgresql_where': sa.text(condition)}


def upgrade() -> None:
    op.create_table('labels',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('label', sa.Text(), nullable=False),
    sa.Column('extra', sa.Text(), nullable=False),
    sa.Column('folded', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_labels_folded', 'labels', ['folded'])
    op.create_index('ux_labels', 'labels', ['label', 'extra'], unique=True)
    op.create_table('ledger',
    sa.Column('sha256', sa.LargeBinary(), nullable=False),
    sa.Column('recipe', sa.Integer(), nullable=False),
    sa.Column('made_on', sa.Integer(), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('sha256', 'recipe')
    )
    op.create_table('library_changes',
    sa.Column('id', BIG_ID, nullable=False),
    sa.Column('run', sa.BigInteger(), nullable=False),
    sa.Column('photo', sa.BigInteger(), nullable=True),
    sa.Column('size', sa.BigInteger(), nullable=True),
    sa.Column('mtime', sa.BigInteger(), nullable=True),
    sa.Column('job', sa.String(length=36), nullable=True),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('outcome', sa.String(length=16), nullable=True),
    sa.Column('done_by', sa.String(length=16), nullable=True),
    sa.Column('before_spec', sa.Integer(), nullable=True),
    sa.Column('after_spec', sa.Integer(), nullable=True),
    sa.Column('key', KEY, nullable=False),
    sa.Column('locator', JSON, nullable=True),
    sa.Column('etag', sa.Text(), nullable=True),
    sa.Column('sha256', sa.LargeBinary(), nullable=True),
    sa.Column('before_sha256', sa.LargeBinary(), nullable=True),
    sa.Column('after_sha256', sa.LargeBinary(), nullable=True),
    sa.Column('added', sa.LargeBinary(), nullable=True),
    sa.Column('removed', sa.LargeBinary(), nullable=True),
    sa.Column('kept', sa.LargeBinary(), nullable=True),
    sa.Column('caption_before', sa.Text(), nullable=True),
    sa.Column('caption_after', sa.Text(), nullable=True),
    sa.Column('why', sa.Text(), nullable=False),
    sa.Column('error_code', sa.String(length=64), nullable=True),
    sa.Column('error_message', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_library_changes_before', 'library_changes', ['before_sha256'], **where("kind = 'changed'"))
    op.create_index('ix_library_changes_due', 'library_changes', ['run', 'id'], **where("state = 'due'"))
    op.create_index('ix_library_changes_list', 'library_changes', ['run', 'id'])
    op.create_index('ix_library_changes_photo', 'library_changes', ['photo', 'run'], **where('photo IS NOT NULL'))
    op.create_index('ux_library_changes_key', 'library_changes', ['run', 'key'], unique=True)
    op.create_table('library_listing',
    sa.Column('run', sa.BigInteger(), nullable=False),
    sa.Column('key', KEY, nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=True),
    sa.Column('mtime', sa.BigInteger(), nullable=True),
    sa.Column('etag', sa.Text(), nullable=True),
    sa.Column('locator', JSON, nullable=True),
    sa.PrimaryKeyConstraint('run', 'key')
    )
    op.create_table('library_manifest',
    sa.Column('library', sa.BigInteger(), nullable=False),
    sa.Column('edition', sa.BigInteger(), nullable=False),
    sa.Column('key', KEY, nullable=False),
    sa.Column('locator', JSON, nullable=True),
    sa.PrimaryKeyConstraint('library', 'edition', 'key')
    )
    op.create_table('library_photos',
    sa.Column('id', BIG_ID, nullable=False),
    sa.Column('library', sa.BigInteger(), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=True),
    sa.Column('mtime', sa.BigInteger(), nullable=True),
    sa.Column('missing_since', sa.BigInteger(), nullable=True),
    sa.Column('retry_at', sa.BigInteger(), nullable=True),
    sa.Column('run', sa.BigInteger(), nullable=True),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.Column('spec', sa.Integer(), nullable=True),
    sa.Column('width', sa.Integer(), nullable=True),
    sa.Column('height', sa.Integer(), nullable=True),
    sa.Column('failures', sa.SmallInteger(), server_default='0', nullable=False),
    sa.Column('permanent', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column('unsaved', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column('key', KEY, nullable=False),
    sa.Column('etag', sa.Text(), nullable=True),
    sa.Column('modified', sa.Text(), nullable=True),
    sa.Column('sha256', sa.LargeBinary(), nullable=True),
    sa.Column('shown', sa.LargeBinary(), nullable=True),
    sa.Column('locator', JSON, nullable=True),
    sa.Column('error_code', sa.String(length=64), nullable=True),
    sa.Column('added', sa.LargeBinary(), nullable=True),
    sa.Column('removed', sa.LargeBinary(), nullable=True),
    sa.Column('caption', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_library_photos_failed', 'library_photos', ['library', 'id'], **where('failures > 0'))
    op.create_index('ix_library_photos_missing', 'library_photos', ['library', 'missing_since'], **where('missing_since IS NOT NULL'))
    op.create_index('ix_library_photos_sha256', 'library_photos', ['sha256'], **where('sha256 IS NOT NULL'))
    op.create_index('ix_library_photos_shown', 'library_photos', ['shown'], **where('shown IS NOT NULL'))
    op.create_index('ix_library_photos_unsaved', 'library_photos', ['library', 'id'], **where('unsaved'))
    op.create_index('ux_library_photos_key', 'library_photos', ['library', 'key'], unique=True)
    op.create_table('library_sidecar_listing',
    sa.Column('run', sa.BigInteger(), nullable=False),
    sa.Column('key', KEY, nullable=False),
    sa.Column('etag', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('run', 'key')
    )
    op.create_table('text_directions',
    sa.Column('id', BIG_ID, nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('text_sha256', sa.String(length=64), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('asked_at', sa.BigInteger(), nullable=False),
    sa.Column('direction', sa.LargeBinary(), nullable=True),
    sa.Column('error_code', sa.String(length=64), nullable=True),
    sa.Column('error_message', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_text_directions_asked', 'text_directions', ['asked_at'])
    op.create_index('ix_text_directions_open', 'text_directions', ['asked_at'], **where('direction IS NULL AND error_code IS NULL'))
    op.create_index('ux_text_directions', 'text_directions', ['model', 'text_sha256'], unique=True)
    op.create_table('libraries',
    sa.Column('number', BIG_ID, nullable=False),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('tenant_id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('source', JSON, nullable=True),
    sa.Column('tasks', JSON, nullable=False),
    sa.Column('options', JSON, nullable=False),
    sa.Column('models', JSON, nullable=False),
    sa.Column('schedule', JSON, nullable=True),
    sa.Column('webhook_url', sa.Text(), nullable=True),
    sa.Column('webhook_secret', sa.Text(), nullable=True),
    sa.Column('write', sa.String(length=16), nullable=False),
    sa.Column('write_threshold', sa.Float(), nullable=False),
    sa.Column('base_url', sa.Text(), nullable=False),
    sa.Column('next_due_at', sa.BigInteger(), nullable=True),
    sa.Column('present', sa.BigInteger(), nullable=True),
    sa.Column('manifest', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('changed', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('saving_until', sa.BigInteger(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.Column('deleted_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('number'),
    sa.UniqueConstraint('id')
    )
    op.create_index('ix_libraries_deleted', 'libraries', ['deleted_at'], **where('deleted_at IS NOT NULL'))
    op.create_index('ix_libraries_due', 'libraries', ['next_due_at'], **where('next_due_at IS NOT NULL AND deleted_at IS NULL'))
    op.create_index('ix_libraries_list', 'libraries', ['tenant_id', 'id'], **where('deleted_at IS NULL'))
    op.create_table('library_edits',
    sa.Column('id', BIG_ID, nullable=False),
    sa.Column('photo', BIG_ID, nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('added', JSON, nullable=True),
    sa.Column('removed', JSON, nullable=True),
    sa.Column('caption', sa.Text(), nullable=True),
    sa.Column('seen_in', sa.String(length=16), nullable=False),
    sa.Column('made_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['photo'], ['library_photos.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_library_edits_photo', 'library_edits', ['photo'])
    op.create_table('library_sidecars',
    sa.Column('photo', BIG_ID, nullable=False),
    sa.Column('place', sa.Text(), nullable=False),
    sa.Column('stamp', sa.Text(), nullable=True),
    sa.Column('labels', JSON, nullable=False),
    sa.Column('people', JSON, nullable=False),
    sa.Column('paths', JSON, nullable=False),
    sa.Column('caption', sa.Text(), nullable=True),
    sa.Column('error_code', sa.String(length=64), nullable=True),
    sa.Column('written_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['photo'], ['library_photos.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('photo')
    )
    op.create_table('recipes',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('tenant_id', sa.String(length=36), nullable=False),
    sa.Column('task', sa.String(length=32), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('options_sha256', sa.String(length=64), nullable=False),
    sa.Column('options', JSON, nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ux_recipes', 'recipes', ['tenant_id', 'task', 'model', 'options_sha256'], unique=True)
    op.create_table('specs',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('tenant_id', sa.String(length=36), nullable=False),
    sa.Column('recipes', sa.String(length=200), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ux_specs', 'specs', ['tenant_id', 'recipes'], unique=True)
    op.create_table('library_runs',
    sa.Column('number', BIG_ID, nullable=False),
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('library', BIG_ID, nullable=False),
    sa.Column('tenant_id', sa.String(length=36), nullable=False),
    sa.Column('what', sa.String(length=16), nullable=False),
    sa.Column('dry_run', sa.Boolean(), nullable=False),
    sa.Column('force', sa.Boolean(), nullable=False),
    sa.Column('most', sa.BigInteger(), nullable=True),
    sa.Column('scheduled_for', sa.BigInteger(), nullable=True),
    sa.Column('window', JSON, nullable=True),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('stage', sa.String(length=16), nullable=False),
    sa.Column('spec', sa.Integer(), nullable=True),
    sa.Column('source', JSON, nullable=True),
    sa.Column('models', JSON, nullable=False),
    sa.Column('listed', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('skipped', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('cursor', KEY, nullable=True),
    sa.Column('counts', JSON, nullable=True),
    sa.Column('labels', JSON, nullable=True),
    sa.Column('receipt', sa.String(length=64), nullable=True),
    sa.Column('token', sa.Integer(), server_default='0', nullable=False),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('worker', sa.String(length=200), nullable=True),
    sa.Column('lease_until', sa.BigInteger(), nullable=True),
    sa.Column('error_code', sa.String(length=64), nullable=True),
    sa.Column('error_message', sa.Text(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('started_at', sa.BigInteger(), nullable=True),
    sa.Column('finished_at', sa.BigInteger(), nullable=True),
    sa.Column('undone_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['library'], ['libraries.number'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('number'),
    sa.UniqueConstraint('id')
    )
    op.create_index('ix_library_runs_list', 'library_runs', ['library', 'id'])
    op.create_index('ix_library_runs_open', 'library_runs', ['number'], **where("stage <> 'done'"))
    op.create_index('ux_library_runs_one', 'library_runs', ['library'], unique=True, **where(UNFINISHED))
    op.create_index('ux_library_runs_schedule', 'library_runs', ['library', 'scheduled_for'], unique=True)
    op.add_column('jobs', sa.Column('reuse', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column('jobs', sa.Column('library_run', sa.BigInteger(), nullable=True))
    op.create_index('ix_jobs_library_run', 'jobs', ['library_run'], **where('library_run IS NOT NULL'))
    op.drop_index('ix_jobs_list', 'jobs')
    op.create_index('ix_jobs_list', 'jobs', ['tenant_id', 'id'], **where(JOBS_LISTED))


def downgrade() -> None:
    op.execute("DELETE FROM jobs WHERE library_run IS NOT NULL")
    op.drop_index('ix_jobs_library_run', 'jobs')
    op.drop_index('ix_jobs_list', 'jobs')
    with op.batch_alter_table('jobs') as batch_op:
        batch_op.drop_column('library_run')
        batch_op.drop_column('reuse')
    op.create_index('ix_jobs_list', 'jobs', ['tenant_id', 'id'], **where(JOBS_LISTED_BEFORE))
    op.drop_table('library_runs')
    op.drop_table('specs')
    op.drop_table('recipes')
    op.drop_table('library_sidecars')
    op.drop_table('library_edits')
    op.drop_table('libraries')
    op.drop_table('text_directions')
    op.drop_table('library_sidecar_listing')
    op.drop_table('library_photos')
    op.drop_table('library_manifest')
    op.drop_table('library_listing')
    op.drop_table('library_changes')
    op.drop_table('ledger')
    op.drop_table('labels')

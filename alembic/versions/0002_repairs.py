"""repairs: uploads once a tenant, who uses them, webhooks without a job, the pace of a job since it was run again

Revision ID: 0002
Revises: 0001
"""

import json
import time
import zlib

import sqlalchemy as sa

from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

OPEN = sa.text("state IN ('pending', 'sending')")
FIRST_OF_ITS_KIND = sa.text('NOT duplicate')
CHUNKS_AT_A_TIME = 500


def upgrade() -> None:
    _pace()
    _uploads()
    _upload_uses()
    _deliveries()


def _pace() -> None:
    op.add_column('jobs', sa.Column('done_before', sa.BigInteger(), server_default='0', nullable=False))
    op.execute("UPDATE jobs SET done_before = succeeded + failed + cancelled WHERE state = 'queued'")
    op.execute(
        "UPDATE jobs SET done_before = cancelled + (SELECT count(*) FROM results WHERE results.job_id = jobs.id "
        "AND results.state <> 'cancelled' AND results.finished_at < jobs.started_at) WHERE state = 'running'"
    )


def _uploads() -> None:
    """Of several ids for one tenant's same bytes the first stays the one given out; jobs name the others, so they
    stay too, marked. Their time begins now: nobody shall lose uploads on the day of an upgrade."""
    op.add_column('tenants', sa.Column('upload_bytes', sa.BigInteger(), server_default='0', nullable=False))
    op.execute(
        "UPDATE tenants SET upload_bytes = "
        "(SELECT coalesce(sum(uploads.bytes), 0) FROM uploads WHERE uploads.tenant_id = tenants.id)"
    )
    op.create_table('upload_files',
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('check_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('sha256')
    )
    waits = sa.text('check_at IS NOT NULL')
    op.create_index('ix_upload_files_check', 'upload_files', ['check_at'], sqlite_where=waits, postgresql_where=waits)
    op.execute("INSERT INTO upload_files (sha256) SELECT DISTINCT sha256 FROM uploads")
    op.add_column('uploads', sa.Column('used_at', sa.BigInteger(), nullable=True))
    op.add_column('uploads', sa.Column('duplicate', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(sa.text("UPDATE uploads SET used_at = :now").bindparams(now=time.time_ns() // 1_000_000))
    op.execute(
        "UPDATE uploads SET duplicate = true WHERE id NOT IN (SELECT min(id) FROM uploads GROUP BY tenant_id, sha256)"
    )
    with op.batch_alter_table('uploads') as batch_op:
        batch_op.alter_column('used_at', existing_type=sa.BigInteger(), nullable=False)
        batch_op.create_foreign_key('uploads_sha256_fkey', 'upload_files', ['sha256'], ['sha256'])
    op.create_index('ix_uploads_sha256', 'uploads', ['sha256'])
    op.create_index('ix_uploads_used_at', 'uploads', ['used_at'])
    op.create_index(
        'ux_uploads_content', 'uploads', ['tenant_id', 'sha256'], unique=True,
        sqlite_where=FIRST_OF_ITS_KIND, postgresql_where=FIRST_OF_ITS_KIND,
    )


def _upload_uses() -> None:
    op.create_table('upload_uses',
    sa.Column('upload_id', sa.String(length=36), nullable=False),
    sa.Column('job_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['job_id'], ['jobs.id'], ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['upload_id'], ['uploads.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('upload_id', 'job_id')
    )
    op.create_index('ix_upload_uses_job_id', 'upload_uses', ['job_id'])
    connection = op.get_bind()
    some = sa.text(
        "SELECT chunks.id, chunks.job_id, chunks.inputs FROM chunks JOIN jobs ON jobs.id = chunks.job_id "
        "WHERE jobs.state IN ('queued', 'running') AND chunks.state IN ('pending', 'leased') AND chunks.id > :after "
        f"ORDER BY chunks.id LIMIT {CHUNKS_AT_A_TIME}"
    )
    use = sa.text(
        "INSERT INTO upload_uses (upload_id, job_id) SELECT uploads.id, jobs.id FROM uploads "
        "JOIN jobs ON jobs.tenant_id = uploads.tenant_id WHERE uploads.id = :upload AND jobs.id = :job "
        "ON CONFLICT DO NOTHING"
    )
    after = 0
    while chunks := connection.execute(some, {"after": after}).all():
        uses = [
            {"upload": ref, "job": job}
            for _, job, inputs in chunks
            for _, _, kind, ref in json.loads(zlib.decompress(inputs).decode("utf-8", "surrogatepass"))
            if kind == "upload"
        ]
        if uses:
            connection.execute(use, uses)
        after = chunks[-1].id


def _deliveries() -> None:
    op.add_column('deliveries', sa.Column('subject', sa.Text(), nullable=True))
    op.add_column('deliveries', sa.Column('secret', sa.Text(), nullable=True))
    op.execute(
        "UPDATE deliveries SET subject = 'jobs/' || job_id, "
        "secret = (SELECT jobs.webhook_secret FROM jobs WHERE jobs.id = deliveries.job_id)"
    )
    with op.batch_alter_table('deliveries') as batch_op:
        batch_op.alter_column('subject', existing_type=sa.Text(), nullable=False)
        batch_op.alter_column('job_id', existing_type=sa.String(length=36), nullable=True)
    op.create_index('ix_deliveries_host', 'deliveries', ['host', 'next_attempt_at'], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_index('ix_deliveries_list', 'deliveries', ['tenant_id', 'id'])
    op.create_index('ix_deliveries_state', 'deliveries', ['tenant_id', 'state', 'id'])


def downgrade() -> None:
    op.drop_index('ix_deliveries_state', 'deliveries')
    op.drop_index('ix_deliveries_list', 'deliveries')
    op.drop_index('ix_deliveries_host', 'deliveries')
    op.execute("DELETE FROM delivery_attempts WHERE delivery_id IN (SELECT id FROM deliveries WHERE job_id IS NULL)")
    op.execute("DELETE FROM deliveries WHERE job_id IS NULL")
    with op.batch_alter_table('deliveries') as batch_op:
        batch_op.alter_column('job_id', existing_type=sa.String(length=36), nullable=False)
        batch_op.drop_column('secret')
        batch_op.drop_column('subject')
    op.drop_table('upload_uses')
    op.drop_index('ux_uploads_content', 'uploads')
    op.drop_index('ix_uploads_used_at', 'uploads')
    op.drop_index('ix_uploads_sha256', 'uploads')
    with op.batch_alter_table('uploads') as batch_op:
        batch_op.drop_constraint('uploads_sha256_fkey', type_='foreignkey')
        batch_op.drop_column('duplicate')
        batch_op.drop_column('used_at')
    op.drop_table('upload_files')
    op.drop_column('tenants', 'upload_bytes')
    op.drop_column('jobs', 'done_before')

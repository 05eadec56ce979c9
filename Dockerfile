# One file, small targets: api, worker, worker-gpu, scheduler.   docker build --target worker -t tagline-worker .

FROM python:3.11-slim AS packages
COPY requirements/service.txt /tmp/
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r /tmp/service.txt

FROM python:3.11-slim AS base
RUN useradd --uid 10001 --create-home tagline && install -d -o tagline /data
COPY --from=packages /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TAGLINE_DATA_DIR=/data
WORKDIR /app
COPY core core
COPY db db
COPY jobs jobs
COPY libraries libraries
COPY cli cli
USER tagline
ENTRYPOINT ["python", "-m", "cli.main"]

FROM base AS api
COPY alembic alembic
COPY models models
COPY api api
EXPOSE 8000
CMD ["api", "--host", "0.0.0.0"]

FROM base AS scheduler
COPY models models
COPY scheduler scheduler
CMD ["scheduler"]

FROM base AS worker
COPY models models
COPY worker worker
CMD ["worker"]

# TensorFlow finds CUDA and cuDNN in the base image; the host brings the driver and nvidia-container-toolkit.
FROM nvidia/cuda:12.5.1-cudnn-runtime-ubuntu22.04 AS worker-gpu
RUN apt-get update && apt-get install -y --no-install-recommends python3.11 python3.11-venv \
 && rm -rf /var/lib/apt/lists/* && useradd --uid 10001 --create-home tagline && install -d -o tagline /data
COPY requirements/training.txt /tmp/
RUN python3.11 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r /tmp/training.txt
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TAGLINE_DATA_DIR=/data \
    TAGLINE_RUNTIME=tensorflow
WORKDIR /app
COPY --from=worker /app /app
USER tagline
ENTRYPOINT ["python", "-m", "cli.main"]
CMD ["worker"]

# Targets: `service` (API and worker, CPU) and `training`. Both run as a user without rights.
ARG PYTHON_VERSION=3.12

FROM python:${PYTHON_VERSION}-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/reeltag/bin:$PATH
RUN python -m venv /opt/reeltag
WORKDIR /srv/reeltag
COPY requirements/uv.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/uv.txt
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/reeltag reeltag

FROM base AS service
COPY requirements/service.txt requirements/
RUN VIRTUAL_ENV=/opt/reeltag uv pip install --no-cache --require-hashes -r requirements/service.txt
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY models models
COPY migrations migrations
ENV PYTHONPATH=/srv/reeltag REELTAG_DATA_DIR=/var/lib/reeltag REELTAG_HOST=0.0.0.0
USER reeltag
VOLUME /var/lib/reeltag
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD \
    ["python", "-c", "import httpx; httpx.get('http://127.0.0.1:8000/healthz').raise_for_status()"]
ENTRYPOINT ["python", "-m", "app.cli"]
CMD ["serve"]

FROM base AS training
COPY requirements/training.txt requirements/
RUN VIRTUAL_ENV=/opt/reeltag uv pip install --no-cache --require-hashes -r requirements/training.txt
COPY pyproject.toml README.md LICENSE ./
COPY models models
COPY training training
ENV PYTHONPATH=/srv/reeltag
USER reeltag
ENTRYPOINT ["python", "-m", "training"]
CMD ["--help"]

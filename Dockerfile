# syntax=docker/dockerfile:1
# WhyLedger as a container: no root, a read-only root file system, one writable folder (/data).
FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY ledger ledger
COPY classifiers classifiers
COPY reports reports
COPY gateway gateway
COPY migrations migrations
RUN python -m venv /opt/whyledger && /opt/whyledger/bin/pip install --no-cache-dir '.[postgres,proxy]'

FROM python:3.13-slim-bookworm
# Pango draws the evidence packs; the fonts show most of the world's scripts.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-noto-core \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent whyledger \
    && install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=build /opt/whyledger /opt/whyledger
ENV PATH=/opt/whyledger/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    XDG_CACHE_HOME=/tmp \
    WHYLEDGER_HOME=/data \
    WHYLEDGER_HOST=0.0.0.0 \
    WHYLEDGER_ADMIN_HOST=0.0.0.0
USER 10001:10001
VOLUME /data
EXPOSE 8080 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["whyledger"]
CMD ["serve"]

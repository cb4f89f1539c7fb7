# This repository's app and the platform that serves it. docs/kubernetes.md says how it is run.
#
# The image holds Python, the locked packages, the app and its declaration: no compiler, no
# pip of ours, no Node. A site is built and served elsewhere.

ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src

# Packages first: they change less often than the code, and their layer is kept.
COPY requirements/ requirements/
RUN python -m venv /opt/joelclaw \
    && /opt/joelclaw/bin/pip install --require-hashes -r requirements/app.txt
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes -r requirements/build.txt

COPY pyproject.toml README.md LICENSE ./
COPY platform/ platform/
# Nothing that the lock does not name is installed with the wheel; `check` tells if the lock is too old for it.
RUN /opt/build/bin/python -m hatchling build -t wheel -d dist \
    && /opt/joelclaw/bin/pip install --no-deps dist/*.whl \
    && /opt/joelclaw/bin/pip check \
    && /opt/joelclaw/bin/pip uninstall --yes pip

FROM ${PYTHON}
# The number is fixed, because volumes remember it; k8s/base and docs/kubernetes.md name the same.
RUN groupadd --gid 10001 joelclaw \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin joelclaw \
    && install -d -o 10001 -g 10001 -m 0700 /data /backups

COPY --from=build /opt/joelclaw /opt/joelclaw
WORKDIR /app
COPY app_functions/ app_functions/
COPY schema.py ./
COPY k8s/base/joelclaw.toml ./

# The root file system may be read-only: no byte code is written beside the sources.
ENV PATH=/opt/joelclaw/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
VOLUME ["/data", "/backups"]
EXPOSE 3210 3211 9464

# For Docker; Kubernetes asks by itself. The long start is for an index of a large table.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10m --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:3210/health/live', timeout=4)"]

STOPSIGNAL SIGTERM
CMD ["joelclaw", "serve"]

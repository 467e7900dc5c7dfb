# syntax=docker/dockerfile:1
# A tag, which moves; docs/runbook.md, "Building the image", says how to pin it by digest.
ARG NODE_IMAGE=node:24-slim
FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The image brings its own Node 24: no package's install script has to run.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN node node_modules/typescript/bin/tsc -p tsconfig.build.json --sourceMap false
# What no running service reads: types, maps, tests, code for bundlers and browsers.
RUN rm -rf node_modules \
 && npm ci --omit=dev --ignore-scripts \
 && rm -rf node_modules/.bin \
 && find node_modules -type f \( -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' \) -delete \
 && find node_modules -type d \( -name test -o -name tests -o -name docs -o -name examples -o -name 'benchmark*' -o -name .github \) \
      -execdir test -e package.json \; -prune -exec rm -rf {} + \
 && find node_modules/@aws-sdk node_modules/@smithy -type d -name dist-es -prune -exec rm -rf {} + \
 && find node_modules/swagger-ui-dist -type f ! -name package.json ! -name LICENSE ! -name NOTICE \
      ! -name swagger-ui.css ! -name swagger-ui-bundle.js -delete

FROM ${NODE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Interaction Bridge" \
      org.opencontainers.image.description="Genesys Cloud, CRM and AWS: records in, attributes written, interaction events published" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production \
    GIT_COMMIT=${REVISION} \
    JOURNAL_PATH=/data/journal.db \
    FINGERPRINT_PATH=/data/fingerprints.db
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY config config
RUN install -d -m 700 -o node -g node /data
USER node
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PROBE_PORT || process.env.PORT || 3000}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# No shell and no npm in between: SIGTERM reaches Node itself. The flag halves what a large import
# adds to the memory (docs/performance.md). SIGUSR1 would open a debugger.
CMD ["node", "--max-semi-space-size=16", "--disable-sigusr1", "dist/main.js"]

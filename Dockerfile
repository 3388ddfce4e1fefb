# One image for everything that runs: `--target server` with plain Node, `--target lambda` on AWS's base image.
# Base images are arguments, so that a pipeline can pin them by digest and a mirror can stand in.
ARG NODE_IMAGE=node:24-bookworm-slim
ARG LAMBDA_IMAGE=public.ecr.aws/lambda/nodejs:24

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN node scripts/build.mjs && find dist -name '*.map' -delete

# The functions. Which one a function is, its command says: dist/gateway-lambda.handler, dist/worker-lambda.handler, …
FROM ${LAMBDA_IMAGE} AS lambda
ENV NODE_ENV=production NODE_COMPILE_CACHE=/var/task/.compile-cache
COPY --from=build /build/dist ${LAMBDA_TASK_ROOT}/dist
COPY rules ${LAMBDA_TASK_ROOT}/rules
COPY docker/compile-cache.mjs /tmp/
# Code compiled here starts a third faster, for this Node and this kind of processor.
RUN ["node", "/tmp/compile-cache.mjs", "/var/task/dist"]
CMD ["dist/gateway-lambda.handler"]

# The compactor's function: DuckDB's library beside it, which no other needs.
FROM lambda AS compactor-lambda
COPY --from=build /build/node_modules/@duckdb ${LAMBDA_TASK_ROOT}/node_modules/@duckdb
CMD ["dist/compactor-lambda.handler"]

# The gateway by default; worker, poller and alert processor are dist/worker-loop.mjs, dist/poller-loop.mjs, dist/alert-processor-loop.mjs.
FROM ${NODE_IMAGE} AS server
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/.compile-cache MILLRACE_HOST=0.0.0.0 MILLRACE_DATA_DIR=/data
WORKDIR /app
COPY --from=build /build/dist dist
COPY docker/compile-cache.mjs docker/healthcheck.mjs docker/
RUN node docker/compile-cache.mjs dist && mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 3100
HEALTHCHECK --interval=5s --timeout=3s --start-period=5s --retries=6 CMD ["node", "docker/healthcheck.mjs"]
CMD ["node", "dist/gateway-server.mjs"]

# The same with DuckDB's library: the compactor as a container.
FROM server AS compactor
COPY --from=build /build/node_modules/@duckdb node_modules/@duckdb
HEALTHCHECK NONE
CMD ["node", "dist/compactor-loop.mjs"]

# What a build without a target makes.
FROM server

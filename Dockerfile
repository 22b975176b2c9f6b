# One image, two steps: build the package from the checkout, install it without development dependencies into an empty folder. Runs as
# user node, never root. test/real/pack.test.ts runs the same steps without a container engine.
#
#   docker build -t holdpoint .
#   docker run -v "$PWD":/etc/holdpoint -p 6432:6432 -p 6033:6033 -p 8080:8080 holdpoint
#
# The mounted folder is what `holdpoint init` writes; in a container `listen` addresses are 0.0.0.0 and need tls.
FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY . .
RUN npm ci && npm pack --pack-destination /package

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /opt/holdpoint
COPY --from=build /package/ /package/
RUN npm install --omit=dev --omit=optional --no-audit --no-fund /package/holdpoint-*.tgz && rm -r /package
USER node
WORKDIR /etc/holdpoint
EXPOSE 6432 6033 8080
ENTRYPOINT ["/opt/holdpoint/node_modules/.bin/holdpoint"]
CMD ["serve", "--config", "/etc/holdpoint/holdpoint.yaml"]

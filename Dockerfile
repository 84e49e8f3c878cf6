# docker build -t halfclose . && docker run --rm --network host halfclose grpc://localhost:50051
FROM node:22-alpine AS build
WORKDIR /halfclose
COPY package.json package-lock.json tsconfig.json ./
RUN npm ci --ignore-scripts
COPY src src
COPY scenarios scenarios
COPY scripts scripts
COPY test test
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22-alpine
ENV NODE_ENV=production
WORKDIR /halfclose
COPY package.json LICENSE ./
COPY contracts contracts
COPY suites suites
COPY scenarios scenarios
COPY --from=build /halfclose/node_modules node_modules
COPY --from=build /halfclose/dist/src dist/src
COPY --from=build /halfclose/dist/scenarios dist/scenarios
# Reports go where the caller mounts a folder.
WORKDIR /data
RUN chown node:node /data
USER node
ENTRYPOINT ["node", "/halfclose/dist/src/cli.js"]
CMD ["--help"]

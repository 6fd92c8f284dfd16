# Not tried: no container engine was at hand where this file was written. The same commands were run outside one.
FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock build.rs openapi.yaml ./
COPY .cargo .cargo
COPY .sqlx .sqlx
COPY migrations migrations
COPY src src
COPY js/dist js/dist
COPY benches benches
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/goodword goodword
COPY --from=build /build/target/release/goodword /usr/local/bin/goodword
USER goodword
ENV GOODWORD_LISTEN=0.0.0.0:8080 GOODWORD_LOG_FORMAT=json
EXPOSE 8080
# Needs DATABASE_URL: the image holds no PostgreSQL of its own.
ENTRYPOINT ["goodword"]
CMD ["serve"]

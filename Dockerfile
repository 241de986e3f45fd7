# syntax=docker/dockerfile:1
# The server alone, as a user without rights, on a root file system that it never writes to. What it keeps lies in
# /var/lib/grantor/data, and only where neither the database nor the master key is elsewhere.

FROM rust:1.95-slim-bookworm AS build
# OpenSSL and SQLite are compiled in: they want a C compiler, make and perl.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev make perl \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked \
    && strip --strip-debug target/release/grantor -o /grantor \
    && mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /grantor /usr/local/bin/grantor
COPY --from=build --chown=65532:65532 /data /var/lib/grantor/data
WORKDIR /var/lib/grantor
USER 65532:65532
ENV GRANTOR_LISTEN=0.0.0.0:8080
VOLUME /var/lib/grantor/data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/local/bin/grantor", "health"]
ENTRYPOINT ["/usr/local/bin/grantor"]
CMD ["serve"]

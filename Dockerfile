# The image of operator and agents: one static binary. `make image` builds it; the testbed packs the same binary without a container engine.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates cmake clang && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --release --locked -p holdfast \
 && install -D "target/$(rustc -vV | sed -n 's/^host: //p')/release/holdfast" /image/holdfast \
 && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
 && mkdir -m 1777 /image/tmp

FROM scratch
COPY --from=build /image /
USER 65532:65532
ENTRYPOINT ["/holdfast"]

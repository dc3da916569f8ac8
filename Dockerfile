# One provider's function as a server: docker build --build-arg PAYMENT_PLATFORM=stripe -t stripe-webhook .

FROM rust:1.95-slim-bookworm AS build
ARG PAYMENT_PLATFORM
WORKDIR /src
COPY . .
RUN case "$PAYMENT_PLATFORM" in stripe|fastspring|paddle) ;; \
      *) echo "PAYMENT_PLATFORM must be stripe, fastspring or paddle" >&2; exit 1 ;; esac \
    && cargo build --release --locked --bin "${PAYMENT_PLATFORM}-webhook" \
    && install -D "target/release/${PAYMENT_PLATFORM}-webhook" /out/webhook \
    && install -d /out/ledger

# glibc, root certificates and nothing else: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/webhook /webhook
COPY --from=build --chown=nonroot:nonroot /out/ledger /ledger
ENV HOST=0.0.0.0 PORT=3000 LEDGER_PATH=/ledger/ledger.redb
EXPOSE 3000
VOLUME /ledger
# The binary asks itself: the image has no curl.
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/webhook", "--healthy"]
ENTRYPOINT ["/webhook"]

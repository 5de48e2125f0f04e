# Consigne in one image: the binary, the embedding model and ONNX Runtime, as a user without rights.

FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The parts first: they change less often than the source.
COPY plugins/fastembed/parts plugins/fastembed/parts
COPY plugins/fastembed/src/bin plugins/fastembed/src/bin
RUN python3 plugins/fastembed/parts/fetch.py --into /parts
COPY . .
RUN cargo build --release --locked --bin consigne && cp target/release/consigne /consigne

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home consigne \
    && install -d -o consigne -g consigne -m 0700 /data
COPY --from=build /parts /opt/consigne/parts
COPY --from=build /consigne /usr/local/bin/consigne
USER consigne
ENV CONSIGNE_DATA_DIR=/data CONSIGNE_PARTS_DIR=/opt/consigne/parts
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["consigne"]
CMD ["serve"]

# kfleet in an image of its own, run as nobody in particular. git is there because a plan and a rollout name the commit; kops is not: mount it, or build on this image.
#
#   docker build -t kfleet .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/fleet" -e AWS_PROFILE -v ~/.aws:/home/kfleet/.aws:ro kfleet plan --cloud aws
#
# As the person who runs it: nobody else may read their credentials, or write a store that is a folder of the fleet.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev git \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --profile dist --locked && strip target/dist/kfleet

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home kfleet \
 # A checkout that is mounted belongs to somebody else, and git would not look at it.
 && git config --system --add safe.directory '*'
COPY --from=build /src/target/dist/kfleet /usr/local/bin/kfleet
# Also for a user that the image does not know, as in the line above.
ENV HOME=/home/kfleet
USER 10001
WORKDIR /fleet
ENTRYPOINT ["kfleet"]

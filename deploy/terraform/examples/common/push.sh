#!/bin/sh
# push.sh IMAGE X86_64|ARM64 REGION builds the target meshtask-mesh of this repository's
# Dockerfile for that architecture, and pushes it to ECR as IMAGE.
set -eu
image=$1
region=$3
case $2 in
X86_64) platform=linux/amd64 ;;
ARM64) platform=linux/arm64 ;;
*) echo "push.sh: X86_64 or ARM64, not $2" >&2; exit 2 ;;
esac
root=$(cd "$(dirname "$0")/../../../.." && pwd)
registry=${image%%/*}

command -v aws >/dev/null || { echo "push.sh: the AWS CLI is missing: it logs in to $registry" >&2; exit 1; }
for tool in docker podman buildah; do
	if command -v "$tool" >/dev/null; then
		break
	fi
	tool=
done
[ -n "$tool" ] || { echo "push.sh: docker, podman or buildah is missing: one of them builds $image. Or give mesh_image, an image that you have" >&2; exit 1; }

aws ecr get-login-password --region "$region" | "$tool" login --username AWS --password-stdin "$registry"
version=$(git -C "$root" describe --tags --always 2>/dev/null || echo devel)
case $tool in
docker) docker buildx build --platform "$platform" --target meshtask-mesh --build-arg VERSION="$version" --tag "$image" --provenance=false --push "$root" ;;
*)
	"$tool" build --platform "$platform" --target meshtask-mesh --build-arg VERSION="$version" --tag "$image" "$root"
	"$tool" push "$image"
	;;
esac

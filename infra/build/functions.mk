# Builds the functions for SAM: `sam build` runs the target build-<LogicalId> of the Makefile in the
# folder that is named for the template's Architecture, at the project's root.
#
# The same sources and the same Go give the same bytes, on any machine: static (nothing of the build
# machine's C library), stripped, without the checkout's path. What is in the caller's environment
# has no say. SAM itself would call Go with none of this (BuildMethod go1.x), or copy the whole
# project once for each function (CodeUri: .).
export GOOS = linux
export CGO_ENABLED = 0
export GOFLAGS =
export GOWORK = off
export GOAMD64 = v1
export GOARM64 = v8.0

# GetItem is functions/get-item.
folder = $(shell echo '$*' | sed 's/\([a-z]\)\([A-Z]\)/\1-\2/g' | tr A-Z a-z)

build-%:
	go build -trimpath -buildvcs=false -tags lambda.norpc -ldflags '-s -w' -o '$(ARTIFACTS_DIR)/bootstrap' ./functions/$(folder)

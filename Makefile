# Goblins Secrets. `make help` lists the targets. Each installs the tools that it needs into .tools/,
# pinned, once.

ADDR ?= 127.0.0.1:8080
DATA ?= .local
# More flags for the local stack, such as ARGS='-set ReadLimit=5'.
ARGS ?=

SAM = .tools/sam/.installed
LOCAL = .tools/bin/local

# The environment of samconfig.toml to deploy.
ENV ?= default

export SAM_CLI_TELEMETRY = 0
# Recipes read these from the environment: no value needs quotes then.
export ADDR DATA NAME SAM_ADDR FUNCTION EVENT URL KEY

SAM_LOCAL = .tools/bin/sam-local
# The address of sam-local's server.
SAM_ADDR ?= 127.0.0.1:3000
# Tests that need Docker, Java or an emulator of AWS, or build with the SAM CLI: test-deploy, test-sam-local and
# test-dynamodb-local run them.
SLOW = Test(BuildsAreReproducibleAndComplete|StackRunsOnDynamoDBLocal|TemplateDeploysAndUpdates|MinistackRequiresSignaturesUntilClosed|FunctionsWorkInContainers)
# Compares with other parsers, whose packages may be out of reach. The test then says NOT run.
DOTENV = TestConsoleReadsAsOtherParsersDo
# The longest proofs. They are about interleavings, rights and faults, not about DynamoDB's rules.
LONG = $(FAULTS)|DeletionOfLargeSecretIsFinished|EveryRouteMeetsEveryCaller|LargestSecretIsDeletedInTime|NoCallerSeesWhatItMayNot|RequeueOfAllLeavesRoomForChanges|TrailIsAPlainList
FAULTS = AcknowledgedWritesSurviveFaults|PeopleSurviveFaults|DeliverySurvivesFaults|(Rotations|ChangesOfTheLimit)AreIdempotent
# What takes minutes, and several times as long with the race detector. test-long runs it, and go test in its folder.
LARGE = Test($(LONG)|BinIsListedAndCountedWithoutClaims|CounterToleratesClocks|WritesRestOnTheRevision)

.PHONY: help generate run account sam-local invoke sam-program deploy smoke test test-race test-plain test-long lint validate vulncheck test-contract test-dynamodb-local test-deploy test-sam-local bench screenshots local

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: local ## run the whole product on this machine; Ctrl-C stops it
	@exec $(LOCAL) -addr "$$ADDR" -data "$$DATA" $(ARGS)

account: local ## make another account on the running stack; NAME='my team'
	@exec $(LOCAL) -data "$$DATA" account "$$NAME"

# Go caches builds: only the first one is slow.
local:
	@command -v go >/dev/null || { echo 'goblins-secrets: Go 1.26 or newer is needed, and is not on the PATH' >&2; exit 1; }
	@[ -e $(LOCAL) ] || echo 'Building, which takes a minute the first time …' >&2
	@go build -o $(LOCAL) ./infra/local

# The functions in Lambda's containers, on the data of `make run`, which may be running or not.
sam-local: $(SAM) sam-program ## run the deployed binaries in containers, through the SAM CLI
	@infra/sam/docker.sh $(SAM_LOCAL) -data "$$DATA" -addr "$$SAM_ADDR" start-api

invoke: $(SAM) sam-program ## call one of them with its event; FUNCTION=GetItem
	@[ -n "$$FUNCTION" ] || { echo 'goblins-secrets: which function? make invoke FUNCTION=GetItem' >&2; exit 1; }
	@infra/sam/docker.sh $(SAM_LOCAL) -data "$$DATA" invoke "$$FUNCTION" $(if $(EVENT),"$$EVENT")

sam-program:
	@go build -o $(SAM_LOCAL) ./infra/sam/local

# Less garbage collection: pkg/dynamo takes 68 CPU seconds with the race detector, not 80.
test test-long test-contract test-deploy test-dynamodb-local test-sam-local: export GOGC = 400
test: ## run the tests and checks of a change; .ci/run has all
	@$(MAKE) --no-print-directory -j2 lint validate
	@$(MAKE) --no-print-directory -j2 test-race test-plain
	@cd e2e/dotenv && go test -count=1 # from its folder, go test shows what was NOT run
	@e2e/browser/chromium.sh >/dev/null 2>&1 || \
	  echo 'Chromium is not installed: the console was NOT tested in a browser. Install it as root on Debian: e2e/browser/chromium.sh --install' >&2
	@$(MAKE) --no-print-directory vulncheck

# Some tests build programs, which Go's cache of results does not see: hence -count=1. The target lint has vetted.
TEST = go test -count=1 -vet=off -skip '^($(SLOW)|$(DOTENV)|$(LARGE)|$(RIVALS))$$'
# Tests without threads of their own, or of other programs: a browser, clients, builds. The race detector would only
# take time. Two packages at once, since a browser mostly waits: they run beside those with it.
PLAIN = /(e2e$$|e2e/(browser|clients|deploy)|infra/(bench|build|bundle|functions|openapi|sam|smoke)|pkg/(awserr|awskms|console|docs|envelope))
# Tests of e2e that send requests concurrently.
RIVALS = Test(BudgetIs100ConcurrentReveals|DeletionAndUseExcludeEachOther|DeletionLeavesNoRacingItemBehind|OneOfRivalRequestsWins)
# Packages that other recipes run, in their folders.
APART = /e2e/(contract|dotenv)

test-race:
	$(TEST) -race $$(go list ./... | grep -vE '$(PLAIN)|$(APART)|^goblins-secrets$$')
	go test -count=1 -vet=off -race -run '^$(RIVALS)$$' ./e2e

test-plain:
	$(TEST) -p 2 . $$(go list ./... | grep -E '$(PLAIN)')

test-long: ## run the longest proofs: a fault at every call, every caller on every route, large secrets
	go test -count=1 -vet=off -run '^$(LARGE)$$' ./pkg/secrets ./pkg/delivery ./pkg/dynamo

generate: ## write the generated files: see functions.yaml and pkg/console/web
	go generate ./...

lint: ## check format, vet and staticcheck
	@unformatted=$$(gofmt -l *.go e2e functions infra pkg); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted" >&2; exit 1; }
	go vet ./...
	go tool staticcheck ./...

validate: $(SAM) ## check the templates
	AWS_DEFAULT_REGION=us-east-1 .tools/sam/bin/sam validate --lint
	.tools/sam/bin/cfn-lint --include-checks I -t template.yaml infra/*.yaml

# The vulnerability database is not reachable from every machine. This target then says so and
# passes, but not on GitHub. It fails for vulnerabilities and for all other errors.
vulncheck: ## look for known vulnerabilities
	@if out=$$(go tool govulncheck ./... 2>&1); then echo "$$out"; \
	elif [ -z "$$GITHUB_ACTIONS" ] && echo "$$out" | grep -q '^govulncheck: fetching vulnerabilities'; then echo 'govulncheck: its database cannot be reached from here: NOT checked' >&2; \
	else echo "$$out" >&2; exit 1; fi

# What these tests install is large, and an attack takes a minute: `make test` leaves them out. From its folder, go
# test shows what it installs.
test-contract: ## lint the OpenAPI document, generate clients of it, and attack the API with it
	cd e2e/contract && go test -count=1
	cd e2e/contract/schemathesis && go test -count=1

# Runs the store and the proofs on it again on Amazon's own emulator, the strictest one, and then the stack. It
# skips the longest proofs, and those of interleavings, which it serializes.
test-dynamodb-local: ## run the store's tests on Amazon's own emulator
	DYNAMODB_EMULATOR=dynamodb-local go test -count=1 -skip '^Test($(LONG)|ConcurrentUseIsCountedExactly|DeletionOrUseWins|KilledDelivererLosesNothing|TwoLimitsDoNotStarveEachOther)$$' ./pkg/dynamo ./pkg/secrets ./pkg/delivery ./pkg/app
	go test -count=1 -run '^TestStackRunsOnDynamoDBLocal$$' ./infra/local
	DYNAMODB_EMULATOR=dynamodb-local go test -count=1 ./infra/smoke/checks

deploy: ## deploy into your AWS account
	@infra/sam/deploy.sh '$(ENV)'

# It creates objects in the key's account, and deletes them again.
smoke: ## try a deployment, or make run, from outside; URL=https://… KEY=gob_…
	@go run ./infra/smoke -url "$$URL"

# The SAM CLI deploys the template to an emulator of AWS, where the end-to-end suite runs. The test
# runs from its folder, because go test then shows progress.
test-deploy: $(SAM) ## deploy to an emulator of AWS, and test the deployment
	go test -count=1 ./infra/sam/ministack
	cd e2e/deploy && go test -count=1 -timeout 20m

# Looks at what `sam build` makes. Runs the end-to-end suite, and every event of events/, on the functions in
# containers.
test-sam-local: $(SAM) ## build functions with the SAM CLI, and test them in containers
	go test -count=1 -run '^TestBuildsAreReproducibleAndComplete$$' ./infra/build
	infra/sam/docker.sh go test -count=1 -timeout 20m -run '^TestFunctionsWorkInContainers$$' ./infra/sam/local

bench: ## measure docs/benchmarks.md again
	go test -count=1 -run LargeLogs ./infra/bench -events 100000 -update
	go run ./infra/bench
	go test -run '^$$' -bench 'RevealInLargeAccount|RevealByLimit|ChargeByLimit' -benchtime 60x ./pkg/secrets
	go test -run '^$$' -bench WriteAfterLongStream -benchtime 60x ./infra/local/emulator
	go test -run '^$$' -bench WriteToReady -benchtime 75x ./infra/local/stack
	go test -run '^$$' -bench Burst -benchtime 1x ./infra/local/stack

screenshots: ## take the pictures of docs/console/ again
	SCREENSHOTS='$(CURDIR)/docs/console' go test -count=1 -run '^TestScreenshots' ./e2e/browser

$(SAM): infra/sam/requirements.txt
	@command -v python3 >/dev/null || { echo 'goblins-secrets: Python 3 is needed to install the SAM CLI, and is not on the PATH' >&2; exit 1; }
	@echo 'Installing the SAM CLI into .tools, once, which takes a minute …' >&2
	@rm -rf .tools/sam && python3 -m venv .tools/sam
	@.tools/sam/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
	@touch $@

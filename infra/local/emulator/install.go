package emulator

import (
	"context"
	"embed"
	"fmt"
	"io"
	"path/filepath"
	"runtime"

	"goblins-secrets/infra/local/tool"
)

// The pins: an npm package with its lock file, and a Maven project with the hashes of its files.
var (
	//go:embed package.json package-lock.json
	dynoxidePins embed.FS
	//go:embed pom.xml lib.sha256
	dynamoDBLocalPins embed.FS
)

// hasDynoxide reports whether dynoxide is pinned for this machine.
func hasDynoxide() bool { return runtime.GOOS == "linux" && runtime.GOARCH == "amd64" }

// installDynoxide returns the path of the dynoxide binary.
func installDynoxide(ctx context.Context, progress io.Writer) (string, error) {
	if !hasDynoxide() {
		return "", fmt.Errorf("dynoxide is pinned for linux/amd64 only, not for %s/%s: unset DYNAMODB_EMULATOR", runtime.GOOS, runtime.GOARCH)
	}
	dir, err := tool.Install(ctx, tool.Tool{
		Name: "dynoxide", Title: "the DynamoDB emulator (dynoxide, 8 MB)",
		Needs: "npm", Hint: "install Node.js",
		Pins:     dynoxidePins,
		Commands: [][]string{{"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"}},
	}, progress)
	return filepath.Join(dir, "node_modules", "@dynoxide", "linux-x64", "dynoxide"), err
}

// installDynamoDBLocal returns the folder of DynamoDB Local's jars.
func installDynamoDBLocal(ctx context.Context, progress io.Writer) (string, error) {
	dir, err := tool.Install(ctx, tool.Tool{
		Name: "dynamodb-local", Title: "Amazon's DynamoDB Local (51 MB)",
		Needs: "mvn", Hint: "install Maven and Java 17",
		Pins: dynamoDBLocalPins,
		Commands: [][]string{
			{"mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib", "-DincludeScope=runtime"},
			// After a change of pom.xml: (cd lib && sha256sum *) >lib.sha256, and look at what has changed.
			{"sh", "-c", `cd lib && check=sha256sum; command -v sha256sum >/dev/null || check="shasum -a 256"; $check --quiet --strict --check ../lib.sha256 && [ "$(ls | wc -l)" = "$(wc -l <../lib.sha256)" ]`},
		},
	}, progress)
	return filepath.Join(dir, "lib"), err
}

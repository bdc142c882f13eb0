package ministack

import (
	"context"
	"embed"
	"io"
	"path/filepath"

	"goblins-secrets/infra/local/tool"
)

var (
	//go:embed requirements.txt
	pins embed.FS

	//go:embed launch.py
	launch string
)

// install puts ministack into a venv and returns the path of its Python.
func install(ctx context.Context, progress io.Writer) (string, error) {
	dir, err := tool.Install(ctx, tool.Tool{
		Name: "ministack", Title: "ministack (128 MB, half a minute)",
		Needs: "python3", Hint: "install Python 3 with venv",
		Pins: pins,
		Commands: [][]string{
			{"python3", "-m", "venv", "--clear", "venv"},
			{"venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement", "requirements.txt"},
		},
	}, progress)
	return filepath.Join(dir, "venv", "bin", "python3"), err
}

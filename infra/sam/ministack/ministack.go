// Package ministack starts ministack, an emulator of AWS that accepts a real `sam deploy`:
// CloudFormation, Lambda, API Gateway, DynamoDB, KMS, IAM and more behind one port. It
// runs the functions' binaries as processes of this machine, and checks each of their
// calls against their role. It is installed, pinned, into .tools/.
package ministack

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"goblins-secrets/infra/local/tool"
)

// The credentials of ministack's root user, and its region.
const (
	AccessKey = "root"
	SecretKey = "secret"
	Region    = "us-east-1"
)

// Ministack is a running ministack. It keeps everything in memory. Close also stops the
// functions that it runs.
type Ministack struct {
	URL string // of all AWS services and of the deployed APIs

	*tool.Process

	dir string
}

// Decision is what IAM decided about an action of a role, such as dynamodb:GetItem. It may have decided otherwise at
// another time.
type Decision struct {
	Role, Action string
	Allowed      bool
}

// Start runs ministack on a free port of this machine, and returns when it answers. It
// first installs ministack if necessary, and reports that on progress. Ministack unpacks
// functions into the folder dir.
func Start(ctx context.Context, dir string, progress io.Writer) (*Ministack, error) {
	python, err := install(ctx, progress)
	if err != nil {
		return nil, err
	}
	port, err := tool.FreePort()
	if err != nil {
		return nil, err
	}
	m := &Ministack{URL: "http://127.0.0.1:" + port, dir: dir}
	cmd := exec.Command(python, "-c", launch)
	cmd.Dir = dir
	// Not our environment: the functions inherit all variables.
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "STATE_DIR=" + dir, "LANG=C.UTF-8",
		"BIND_HOST=127.0.0.1", "GATEWAY_PORT=" + port,
		"AUTH=true",           // enforces signatures and IAM
		"IOT_MTLS_ENABLED=0",  // it would occupy a port
		"DOCKER_HOST=unix://", // otherwise it removes containers that it mistakes for its own
		"LOG_LEVEL=WARNING",
		"AWS_ACCESS_KEY_ID=" + AccessKey, "AWS_SECRET_ACCESS_KEY=" + SecretKey, "AWS_DEFAULT_REGION=" + Region,
		"AWS_ENDPOINT_URL=" + m.URL, // for the functions
	}
	m.Process, err = tool.Start(ctx, "ministack", cmd, func(ctx context.Context) bool {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL+"/_ministack/health", nil)
		if err != nil {
			return false
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Environment returns variables that make any AWS client use ministack, as its root user.
func (m *Ministack) Environment() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + m.URL, "AWS_ACCESS_KEY_ID=" + AccessKey, "AWS_SECRET_ACCESS_KEY=" + SecretKey,
		"AWS_REGION=" + Region, "AWS_DEFAULT_REGION=" + Region, "AWS_EC2_METADATA_DISABLED=true",
	}
}

// Decisions returns what IAM has decided about actions of roles.
func (m *Ministack) Decisions() (decisions []Decision, err error) {
	text, err := os.ReadFile(filepath.Join(m.dir, "decisions")) // launch.py writes it
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return nil, fmt.Errorf("ministack: %q is no decision", line)
		}
		decisions = append(decisions, Decision{Role: fields[1], Action: fields[2], Allowed: fields[0] == "Allow"})
	}
	return decisions, nil
}

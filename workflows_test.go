package goblins_test

import (
	"regexp"
	"strings"
	"testing"
)

// Actions are named by commits, which cannot move. A job with a token for AWS runs none of the steps that
// run the project's code to build or test it.
func TestWorkflowsPinActionsAndSeparateTokens(t *testing.T) {
	pinned := regexp.MustCompile(`^[a-z-]+/[a-z-]+@[0-9a-f]{40}$`)
	for _, file := range []string{".github/workflows/ci.yml", "docs/github-actions.yml"} {
		tokens := 0
		for name, job := range asMap(at(read(t, file), "jobs")) {
			token := at(job, "permissions", "id-token") == value("write")
			if token {
				tokens++
			}
			for _, step := range list(at(job, "steps")) {
				if uses := at(step, "uses"); uses != nil && !pinned.MatchString(text(uses)) {
					t.Errorf("%s: %s uses %s, want a commit", file, name, uses)
				}
				run := text(at(step, "run"))
				builds := regexp.MustCompile(`\bmake (test|run|build|validate)|only build|sam build|go (run|build|test)`).MatchString(run) ||
					strings.Contains(run, "deploy.sh") && !strings.Contains(run, "--only deploy")
				if token && builds {
					t.Errorf("%s: %s has a token, and runs %s", file, name, run)
				}
			}
		}
		if want := map[string]int{"docs/github-actions.yml": 1}[file]; tokens != want {
			t.Errorf("%s: %d jobs have a token, want %d", file, tokens, want)
		}
		if at(read(t, file), "permissions", "id-token") != nil {
			t.Errorf("%s: all jobs have a token", file)
		}
	}
}

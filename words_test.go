package goblins_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// retired are words that this project no longer uses, each with its replacement. None is a
// word that Go or plain English needs.
var retired = map[string]string{
	`nobody|somebody|anybody|everybody|whoever`: "no caller, a client, another instance, the operator",
	`anew|oftener`: "again, more often",
	`tells? of|told of|tells? apart|is told|are told`: "reports, is notified, distinguishes",
	`of ours|of theirs`: "our, their",
	`bad luck|in haste`: "failure, quickly",
	`undelivered rows?|undelivered list|enlist(s|ed|ing)?`: "outbox entry, put an entry",
	`\w*Workload\w*`: "Service",
	`Undelivered(Row|Key)?\b|AllUndelivered|EndDelivery`: "Entry, Entries, ReleaseLease",
	`BeginDelivery|takeTurn|useTurn|TestTurns`:           "AcquireLease, acquire",
	`Settle|newerWaits|Remind(er|s|ed)?`:                 "Acknowledge, replaced, Requeue",
	`ChargeRead|ReadTimes|TrimReads|StampRead`:           "ChargeReveal, RevealTimes, TrimReveals, StampReveal",
	`untilUnchanged|localtest`:                           "retryChanged, secretstest",
}

// Text files are those that people read. The words' own list is exempt, and so are files
// that other projects wrote.
func TestRetiredWordsDoNotComeBack(t *testing.T) {
	command := exec.CommandContext(t.Context(), "git", "ls-files", "-co", "--exclude-standard")
	command.Dir = root(t)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	text := regexp.MustCompile(`\.(go|md|ya?ml|toml|js|css|html|sh|py|json|mk)$|/run$|Makefile$`)
	foreign := regexp.MustCompile(`/vendor/|package-lock\.json$|^words_test\.go$`)
	words := map[string]*regexp.Regexp{}
	for word := range retired {
		words[word] = regexp.MustCompile(`\b(` + word + `)\b`)
		if strings.ToLower(word) == word {
			words[word] = regexp.MustCompile(`(?i)\b(` + word + `)\b`)
		}
	}
	read := 0
	for path := range strings.Lines(string(out)) {
		path = strings.TrimSpace(path)
		if !text.MatchString(path) || foreign.MatchString(path) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(root(t), path))
		if os.IsNotExist(err) { // deleted, but not committed yet
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		read++
		number := 0
		for line := range strings.Lines(string(content)) {
			number++
			for word, pattern := range words {
				if found := pattern.FindString(line); found != "" {
					t.Errorf("%s:%d: %q is retired: use %s", path, number, found, retired[word])
				}
			}
		}
	}
	if read < 200 {
		t.Errorf("only %d files were read", read)
	}
}

package secrets_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"goblins-secrets/pkg/secrets"
)

// A value prints nothing of itself in any format, and neither does an input that holds one.
func TestNothingPrintsValues(t *testing.T) {
	const plain = "hunter2-canary"
	v, in := secrets.NewValue(plain), itemInput("K", plain)
	revealed, list := secrets.Revealed{Value: v}, secrets.Texts(plain)
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "v", v, "field", in.Value, "in", in, "r", revealed, "list", list)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "v", v, "field", in.Value, "in", in, "r", revealed, "list", list)
	encoded, err := json.Marshal(map[string]any{"v": v, "in": in, "r": revealed})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		logged.String(), string(encoded), fmt.Sprint(v, in, revealed, list), fmt.Sprintf("%v %+v %#v %s %q", v, v, v, v, v),
		fmt.Sprintf("%v %+v %#v", in, in, in), fmt.Sprintf("%v %+v %#v", revealed, revealed, revealed),
		fmt.Sprintf("%x", v), fmt.Sprintf("%"+"d", v), fmt.Sprintf("%+v", struct{ v secrets.Value }{v}),
	} {
		if strings.Contains(text, plain) || strings.Contains(text, fmt.Sprintf("%x", plain)) {
			t.Errorf("printed as %s", text)
		}
	}
}

package secrets

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNamesAndKeysAreChecked(t *testing.T) {
	const tooLong = "Ensure this field has no more than 255 characters."
	for _, tt := range []struct {
		field     Field
		text      string
		name, key []string
	}{
		{Text("plain"), "plain", nil, nil},
		{Field{}, "", []string{msgRequired}, []string{msgRequired}},
		{Malformed("Not a valid string."), "", []string{"Not a valid string."}, []string{"Not a valid string."}},
		{Text(""), "", []string{msgBlank}, []string{msgBlank}},
		{Text(" \t\r\n\v\f\u00a0\u2003\u001c\u001d\u001e\u001f\u0085"), "", []string{msgBlank}, []string{msgBlank}},
		{Text("\u200b"), "\u200b", nil, []string{msgBadKey}},
		{Text(" \x1cAPI_KEY\n"), "API_KEY", nil, nil},
		{Text("a b"), "a b", nil, []string{msgBadKey}},
		{Text("a\nb"), "a\nb", nil, []string{msgBadKey}},
		{Text("A.b-c_9"), "A.b-c_9", nil, nil},
		{Text("ключ"), "ключ", nil, []string{msgBadKey}},
		{Text(strings.Repeat("k", 255)), strings.Repeat("k", 255), nil, nil},
		{Text(strings.Repeat("k", 256)), strings.Repeat("k", 256), []string{tooLong}, []string{tooLong}},
		{Text(strings.Repeat("😀", 255)), strings.Repeat("😀", 255), nil, []string{msgBadKey}},
		{Text(strings.Repeat("k", 256) + "\x00"), strings.Repeat("k", 256) + "\x00", []string{tooLong, msgNUL}, []string{tooLong, msgNUL, msgBadKey}},
	} {
		text, messages := tt.field.name()
		if diff := cmp.Diff(tt.name, messages); diff != "" || text != tt.text {
			t.Errorf("name %q = %q (-want +got):\n%s", tt.field.text, text, diff)
		}
		text, messages = tt.field.key()
		if diff := cmp.Diff(tt.key, messages); diff != "" || text != tt.text {
			t.Errorf("key %q = %q (-want +got):\n%s", tt.field.text, text, diff)
		}
	}
}

func TestValuesAreChecked(t *testing.T) {
	const tooLong = "Ensure this field has no more than 65536 bytes."
	for _, tt := range []struct {
		field Field
		want  []string
	}{
		{Text("x"), nil},
		{Text(" \n"), nil},
		{Text("\x01\x1b\x7f"), nil},
		{Text(strings.Repeat("v", 65536)), nil},
		{Text(strings.Repeat("é", 32768)), nil},
		{Text(strings.Repeat("é", 32768) + "v"), []string{tooLong}},
		{Text(strings.Repeat("v", 65536) + "\x00"), []string{tooLong, msgNUL}},
		{Text("a\x00b"), []string{msgNUL}},
		{Text(Mask), []string{msgMask}},
		{Text(Mask + "\n"), nil},
		{Text(""), []string{msgBlank}},
		{Field{}, []string{msgRequired}},
	} {
		value, messages := tt.field.value()
		if diff := cmp.Diff(tt.want, messages); diff != "" {
			t.Errorf("value of %d bytes (-want +got):\n%s", len(tt.field.text), diff)
		}
		if value.Reveal() != tt.field.text {
			t.Errorf("value of %d bytes became one of %d", len(tt.field.text), len(value.Reveal()))
		}
	}
}

func TestLabelsAndImagesAreChecked(t *testing.T) {
	const longLabel, longImage = "Ensure this field has no more than 63 characters.", "Ensure this field has no more than 512 characters."
	for _, tt := range []struct {
		field        Field
		text         string
		label, image []string
	}{
		{Text("app"), "app", nil, nil},
		{Text(" \x1fapp\n"), "app", nil, nil},
		{Field{}, "", []string{msgRequired}, []string{msgRequired}},
		{Malformed("why"), "", []string{"why"}, []string{"why"}},
		{Text(" \t"), "", []string{msgBlank}, []string{msgBlank}},
		{Text("-"), "-", []string{msgBadLabel}, []string{msgBadImage}},
		{Text("a_b.c:v1"), "a_b.c:v1", []string{msgBadLabel}, nil},
		{Text("a---b"), "a---b", nil, nil},
		{Text(strings.Repeat("a", 63)), strings.Repeat("a", 63), nil, nil},
		{Text(strings.Repeat("a", 64)), strings.Repeat("a", 64), []string{longLabel}, nil},
		{Text(strings.Repeat("a", 512)), strings.Repeat("a", 512), []string{longLabel}, nil},
		{Text(strings.Repeat("a", 513)), strings.Repeat("a", 513), []string{longLabel}, []string{longImage}},
		{Text(strings.Repeat("é", 513) + "\x00"), strings.Repeat("é", 513) + "\x00", []string{longLabel, msgBadLabel, msgNUL}, []string{longImage, msgBadImage, msgNUL}},
	} {
		text, messages := tt.field.label()
		if diff := cmp.Diff(tt.label, messages); diff != "" || text != tt.text {
			t.Errorf("label %.20q = %.20q (-want +got):\n%s", tt.field.text, text, diff)
		}
		text, messages = tt.field.image()
		if diff := cmp.Diff(tt.image, messages); diff != "" || text != tt.text {
			t.Errorf("image %.20q = %.20q (-want +got):\n%s", tt.field.text, text, diff)
		}
	}
}

func TestPortsAreChecked(t *testing.T) {
	const tooSmall, tooLarge = "Ensure this value is greater than or equal to 1.", "Ensure this value is less than or equal to 65535."
	for _, tt := range []struct {
		field Field
		want  int
		fault string
	}{
		{Text("1"), 1, ""},
		{Text("65535"), 65535, ""},
		{Text("\x1f 0080.000\n"), 80, ""},
		{Text("80."), 80, ""},
		{Text("+80"), 80, ""},
		{Field{}, 0, msgRequired},
		{Malformed("why"), 0, "why"},
		{Text(""), 0, msgNoNumber},
		{Text("."), 0, msgNoNumber},
		{Text(".0"), 0, msgNoNumber},
		{Text("80.01"), 0, msgNoNumber},
		{Text("80.0.0"), 0, msgNoNumber},
		{Text("80 .x"), 0, msgNoNumber},
		{Text("1_0"), 0, msgNoNumber},
		{Text("0x1"), 0, msgNoNumber},
		{Text("--1"), 0, msgNoNumber},
		{Text("inf"), 0, msgNoNumber},
		{Text("1e3"), 0, msgNoNumber},
		{Text("9223372036854775808.1"), 0, msgNoNumber},
		{Text("0"), 0, tooSmall},
		{Text("-0"), 0, tooSmall},
		{Text("-9223372036854775809"), 0, tooSmall},
		{Text("65536"), 0, tooLarge},
		{Text("9223372036854775808"), 0, tooLarge},
		{Text(strings.Repeat("9", 5000)), 0, tooLarge},
	} {
		got, messages := tt.field.port()
		if strings.Join(messages, "|") != tt.fault || got != tt.want {
			t.Errorf("port %.20q = %d, %q, want %d, %q", tt.field.text, got, messages, tt.want, tt.fault)
		}
	}
}

func TestOptionalFieldsMayBeMissing(t *testing.T) {
	for _, tt := range []struct {
		field Field
		want  string
		fault []string
	}{
		{Field{}, "", nil},
		{Null(), "", nil},
		{Text(" a b\n"), "a b", nil},
		{Text(" "), "", []string{msgBlank}},
		{Malformed("why"), "", []string{"why"}},
		{Text(strings.Repeat("c", 256)), strings.Repeat("c", 256), []string{"Ensure this field has no more than 255 characters."}},
	} {
		got, messages := tt.field.optional()
		if diff := cmp.Diff(tt.fault, messages); diff != "" || got != tt.want {
			t.Errorf("optional %.20q = %.20q, want %.20q (-want +got):\n%s", tt.field.text, got, tt.want, diff)
		}
	}
}

// A value says nothing however it is printed, and neither does an input that holds one.
func TestNothingPrintsValues(t *testing.T) {
	const plain = "hunter2-canary"
	v, in := NewValue(plain), ItemInput{Key: Text("K"), Value: Text(plain)}
	revealed := Revealed{Value: v}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "v", v, "field", in.Value, "in", in, "r", revealed)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "v", v, "field", in.Value, "in", in, "r", revealed)
	encoded, err := json.Marshal(map[string]any{"v": v, "in": in, "r": revealed})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		logged.String(), string(encoded), fmt.Sprint(v, in, revealed), fmt.Sprintf("%v %+v %#v %s %q", v, v, v, v, v),
		fmt.Sprintf("%v %+v %#v %s", in, in, in, in), fmt.Sprintf("%v %+v %#v", revealed, revealed, revealed), fmt.Sprintf("%x", v), fmt.Sprintf("%"+"d", v), fmt.Sprintf("%+v", struct{ v Value }{v}),
	} {
		if strings.Contains(text, plain) || strings.Contains(text, fmt.Sprintf("%x", plain)) {
			t.Errorf("printed as %s", text)
		}
	}
}

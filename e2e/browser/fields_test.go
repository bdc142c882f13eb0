package browser

import (
	"fmt"
	"strings"
	"testing"
)

// field is what the browser knows of a field.
type field struct {
	Name                    string
	Spellcheck, Translate   bool
	Autocorrect, Capitalize string
	Complete                string
}

// The browser neither stores, corrects nor translates the text of any field, nor sends it to a spelling
// service. It translates no name, key or value.
func TestBrowserLeavesTextsAlone(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	states(t, func(state string, tb *tab) {
		for _, f := range eval[[]field](tb, `[...document.querySelectorAll("input:not([type=checkbox], [type=radio], [type=file]), textarea")].map(e => ({
			Name: e.name || e.type, Spellcheck: e.spellcheck, Translate: e.translate, Autocorrect: e.getAttribute("autocorrect"),
			Capitalize: e.getAttribute("autocapitalize"), Complete: e.autocomplete,
		}))`) {
			seen[f.Name] = true
			if want := (field{f.Name, false, false, "off", "off", "off"}); f != want {
				tb.t.Errorf("%s: %+v, want %+v", state, f, want)
			}
		}
		if n := eval[int](tb, `[...document.querySelectorAll(".name bdi, .key, .value, .users bdi, code")].filter(e => e.translate).length`); n != 0 {
			tb.t.Errorf("%s: %d names, keys or values may be translated", state, n)
		}
	})
	for _, name := range strings.Fields("api_key search name confirmation key value env image port config email reveal_limit last_day") {
		if !seen[name] {
			t.Errorf("no state has the field %s", name)
		}
	}
}

// Names are shown as they are stored, and what can't be seen is marked. A user confirms what is seen.
func TestNamesAreShownAsTheyAre(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	const spaced, twin, composed = "two  spaces", "two\u00a0 spa\u200bces", "caf\u00e9"
	for _, name := range []string{spaced, twin, composed} {
		a.secret(t, name)
	}
	tb := signedIn(t, a, "/console/")
	tb.see("two  spaces", "U+00A0", "U+200B")
	if wrap := eval[string](tb, `getComputedStyle(document.querySelector("a.name")).whiteSpace`); wrap != "pre-wrap" {
		t.Errorf("white-space of names = %s, want pre-wrap", wrap)
	}
	// The search folds like the confirmation: order of words, white space, composition, case.
	for search, want := range map[string]string{"SPACES two": "2 of 4 secrets", "cafe\u0301": "1 of 4 secrets", "two spaces": "2 of 4 secrets"} {
		tb.fill("Search secrets by name", search)
		tb.see(want)
	}
	tb.fill("Search secrets by name", "x")
	tb.press("\b")
	// The page's test finds buttons by names with single spaces.
	for name, typed := range map[string]string{"two spa\u200bces": "two spaces", composed: "cafe\u0301"} {
		tb.click("button", "Delete secret "+name)
		tb.fill("Type the secret’s name to confirm", typed)
		tb.click("button", "Delete")
		tb.see("Secret deleted")
		tb.await("the end of the dialog", `!document.querySelector("dialog")`)
	}
	tb.see("2 secrets", "two  spaces")
}

// The page names what can't be seen in a value, where it is shown and where it is entered.
func TestUnseenCharactersAreNamed(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "s")
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	for value, want := range map[string]string{
		"a\u00a0b":      "invisible characters: U+00A0.",
		"a\u3000b":      "invisible characters: U+3000.",
		"a\u3164":       "invisible characters: U+3164.",
		"a\u2800":       "invisible characters: U+2800.",
		"a\ufe0fb":      "invisible characters: U+FE0F.",
		"a\u180bb":      "invisible characters: U+180B.",
		"©\ufe0f\ufe0f": "invisible characters: U+FE0F.",
		"a\u200b\u202e": "invisible characters: U+200B, U+202E.",
		" a":            "It begins with a space.",
		"a ":            "It ends with a space.",
		"a\n":           "It ends with a line break.",
		"\na":           "It begins with a line break.",
	} {
		tb.click("button", "Add item")
		tb.fill("Value", value)
		tb.see(want)
		tb.click("button", "Cancel")
		tb.click("button", "Discard")
	}
	tb.click("button", "Add item")
	tb.fill("Key", "EMOJI")
	tb.fill("Value", "👩‍👩‍👧 ❤️ a\tb\nc")
	tb.await("no hint", `document.querySelectorAll(".odd").length === 0`)
	tb.fill("Value", "x\u00a0")
	tb.click("button", "Add")
	tb.see("Item added")
	tb.click("button", "Show value of EMOJI")
	tb.see("This value has invisible characters: U+00A0.", "It ends with a space.")
}

// A value can be generated, or taken from a file as it is.
func TestValuesFromAFile(t *testing.T) {
	t.Parallel()
	a := shared.account(t)
	s := a.secret(t, "s")
	tb := signedIn(t, a, "/console/secrets/"+s.ID)
	choose := func(name, bytes string) {
		t.Helper()
		tb.run(fmt.Sprintf(`(() => {
			const files = new DataTransfer();
			files.items.add(new File([Uint8Array.from(%s)], %s));
			const input = document.querySelector("input[type=file]");
			input.files = files.files;
			input.dispatchEvent(new Event("change", { bubbles: true }));
		})()`, bytes, quote(name)))
	}
	tb.click("button", "Add item")
	tb.fill("Key", "FROM_FILE")
	choose("too-large.bin", "new Array(65537).fill(65)")
	tb.see("too-large.bin is larger than 64 KiB. Nothing was taken.")
	choose("image.png", "[0x89, 0x50, 0xff]")
	tb.see("image.png is not text in UTF-8. Nothing was taken.")
	choose("key.pem", `[...new TextEncoder().encode("a\r\nb\r\n")]`)
	tb.see("the text of key.pem, 6 bytes")
	tb.click("button", "Add")
	tb.see("Item added")
	tb.click("button", "Add item")
	tb.fill("Key", "GENERATED")
	tb.click("button", "Generate")
	first := tb.value("Value")
	tb.click("button", "Generate")
	if second := tb.value("Value"); len(first) != 32 || len(second) != 32 || first == second {
		t.Errorf("generated values = %d and %d characters, equal: %v", len(first), len(second), first == second)
	}
	tb.run(`document.activeElement.blur()`)
	tb.fill("Key", "GENERATED_2")
	tb.save()
	tb.see("GENERATED_2")
	items := a.items(t, s)
	var read itemBody
	a.call(t, "GET", "secrets/"+s.ID+"/items/"+items["FROM_FILE"].ID+"/", nil, &read)
	if read.Value != "a\r\nb\r\n" {
		t.Errorf("the value from the file = %q", read.Value)
	}
}

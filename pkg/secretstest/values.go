package secretstest

import "strings"

// Values are values that a careless client or page would change, by what is special about them.
var Values = map[string]string{
	"LINE_FEEDS":         "a\n\n  b\n",
	"CARRIAGE_RETURNS":   "a\rb\r",
	"BOTH":               "a\r\nb\r\n\n\r",
	"SPACES":             " \t a \u00a0\u3000",
	"LINE_SEPARATORS":    "a\u2028b\u2029c\u0085d\vf\fg",
	"CONTROL_CHARACTERS": "a\x01\x02\x03\x04\x05\x06\x07\b\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f",
	"EMOJI":              "🔑👩‍👩‍👧‍👦🏳️‍🌈é e\u0301",
	"INVISIBLE":          "\ufeffa\u200b\u202e\u00adb\uffff",
	"QUOTES":             `'"\n\\ $HOME ${X} $(id) ` + "`id`" + ` %s %0a & < > + ; #`,
	"JSON":               `{"value": "a\u0041", "list": [1, null], "text": "\"\\"}` + "\n",
	"PEM":                "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-----END PRIVATE KEY-----\n",
	"NUMBER":             "007.50e3",
	"LARGE":              strings.Repeat("é\n", 20000),
}

package main

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The counted goals are met in every test run, not only in a benchmark.
func TestCountedGoalsAreMet(t *testing.T) {
	var r report
	if err := inWorld("", measureCounts)(t.Context(), quick, t.TempDir(), &r); err != nil {
		t.Fatal(err)
	}
	for _, g := range r.counts.goals() {
		if !g.met {
			t.Errorf("%s: %s, want %s", g.name, g.is, g.want)
		}
	}
}

func TestQuantileIsTheNearestRank(t *testing.T) {
	sorted := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for _, tc := range []struct {
		q    float64
		want int
	}{{0, 1}, {0.25, 3}, {0.5, 5}, {0.99, 10}, {1, 10}} {
		if got := quantile(sorted, tc.q); got != tc.want {
			t.Errorf("quantile(1…10, %v) = %d, want %d", tc.q, got, tc.want)
		}
	}
}

func TestRowSizeFollowsDynamoDBsRules(t *testing.T) {
	for name, tc := range map[string]struct {
		row  row
		want int
	}{
		"string in UTF-8":         {row{"PK": text("ä")}, 2 + 2},
		"number":                  {row{"n": number(12345)}, 1 + 4},
		"zeros at a number's end": {row{"n": number(12000)}, 1 + 2},
		"list":                    {row{"r": &types.AttributeValueMemberL{Value: []types.AttributeValue{number(1), text("ab")}}}, 1 + 3 + 1 + 2 + 1 + 2},
	} {
		if got := rowSize(tc.row); got != tc.want {
			t.Errorf("%s: rowSize(%v) = %d, want %d", name, tc.row, got, tc.want)
		}
	}
}

func TestTableAlignsNumbersRight(t *testing.T) {
	var d document
	d.table("name||n|m")
	d.row("a", "1", "2")
	const want = "\n| name | n | m |\n| --- | ---: | ---: |\n| a | 1 | 2 |\n"
	if d.String() != want {
		t.Errorf("table = %q, want %q", d.String(), want)
	}
}

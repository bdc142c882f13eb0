package secretstest_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"goblins-secrets/pkg/secretstest"
)

func TestRowSizeFollowsDynamoDBsRules(t *testing.T) {
	type row = map[string]types.AttributeValue
	text := func(text string) types.AttributeValue { return &types.AttributeValueMemberS{Value: text} }
	number := func(digits string) types.AttributeValue { return &types.AttributeValueMemberN{Value: digits} }
	for name, tc := range map[string]struct {
		row  row
		want int
	}{
		"string in UTF-8":         {row{"PK": text("ä")}, 2 + 2},
		"number":                  {row{"n": number("12345")}, 1 + 4},
		"zeros at a number's end": {row{"n": number("12000")}, 1 + 2},
		"list":                    {row{"r": &types.AttributeValueMemberL{Value: []types.AttributeValue{number("1"), text("ab")}}}, 1 + 3 + 1 + 2 + 1 + 2},
		"bytes":                   {row{"b": &types.AttributeValueMemberB{Value: []byte("abc")}}, 1 + 3},
		"map":                     {row{"m": &types.AttributeValueMemberM{Value: row{"k": text("ab")}}}, 1 + 3 + 1 + 1 + 2},
	} {
		if got := secretstest.RowSize(tc.row); got != tc.want {
			t.Errorf("%s: RowSize(%v) = %d, want %d", name, tc.row, got, tc.want)
		}
	}
}

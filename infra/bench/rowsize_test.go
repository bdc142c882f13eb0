package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// rowSize returns the size of a row by DynamoDB's rules. Names and strings count their bytes in
// UTF-8. A number counts one byte for two digits and one more. A list counts 3 bytes and one for
// each element.
func rowSize(r row) (size int) {
	for name, value := range r {
		size += len(name) + valueSize(value)
	}
	return size
}

func valueSize(value types.AttributeValue) int {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberBOOL:
		return 1
	case *types.AttributeValueMemberN:
		return (len(strings.Trim(v.Value, "-0"))+1)/2 + 1
	case *types.AttributeValueMemberL:
		size := 3
		for _, element := range v.Value {
			size += 1 + valueSize(element)
		}
		return size
	}
	panic(fmt.Sprintf("the size of a %T is not known", value))
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

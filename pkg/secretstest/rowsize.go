package secretstest

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// RowSize returns the size of a row by DynamoDB's rules. Names and strings count their bytes in
// UTF-8. A number counts one byte for two digits and one more. A list counts 3 bytes and one for
// each element, and so does a map, with the bytes of its names.
func RowSize(row map[string]types.AttributeValue) (size int) {
	for name, value := range row {
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
	case *types.AttributeValueMemberB:
		return len(v.Value)
	case *types.AttributeValueMemberM:
		return 3 + len(v.Value) + RowSize(v.Value)
	case *types.AttributeValueMemberL:
		size := 3
		for _, element := range v.Value {
			size += 1 + valueSize(element)
		}
		return size
	}
	panic(fmt.Sprintf("the size of a %T is not known", value))
}

package secrets_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"goblins-secrets/pkg/secrets"
)

var callerType = reflect.TypeFor[secrets.Caller]()

// Every operation that a caller can ask for begins at the gate. The manager has no store:
// an operation that does anything else first panics, and one without the gate does not
// refuse a caller without an identity.
func TestEveryOperationBeginsAtTheGate(t *testing.T) {
	manager := reflect.ValueOf(&secrets.Manager{})
	tried := 0
	for i := range manager.NumMethod() {
		method := manager.Type().Method(i)
		signature := method.Func.Type()
		if signature.NumIn() < 3 || signature.In(2) != callerType || method.Name == "Refused" { // which follows an operation
			continue
		}
		tried++
		t.Run(method.Name, func(t *testing.T) {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%s does something before it asks the gate: %v", method.Name, p)
				}
			}()
			in := []reflect.Value{reflect.ValueOf(t.Context())}
			for n := 2; n < signature.NumIn(); n++ {
				in = append(in, reflect.Zero(signature.In(n)))
			}
			out := manager.Method(i).Call(in)
			err, _ := out[len(out)-1].Interface().(error)
			if !errors.Is(err, secrets.ErrUnauthenticated) {
				t.Errorf("%s for a caller without an identity = %v, want ErrUnauthenticated", method.Name, err)
			}
		})
	}
	if tried < len(actions) {
		t.Errorf("%d operations take a caller, want at least %d", tried, len(actions))
	}
}

// actions is the permission, or anyKey, or anyone: invitations too, that each operation requires.
var actions = map[string]string{
	"ListSecrets": "List", "Secret": "List", "CreateSecret": "Write", "UpdateSecret": "Write", "DeleteSecret": "d.needs()",
	"DeletedSecrets": "List | Write", "RestoreSecret": "Write", "DeletedItems": "List | Write", "RestoreItem": "Write",
	"Versions": "List", "RollBackItem": "Write", "DeleteVersion": "Write", "RevealVersion": "Reveal", "RevealChangedItem": "Reveal",
	"BatchItems": "Write", "ExportSecret": "Export", "CompareSecrets": "RevealReveal",
	"ListItems": "List", "CreateItem": "Write", "UpdateItem": "Write", "DeleteItem": "d.needs()",
	"RevealItem": "Reveal", "Budget": "anyKey", "Me": "anyone",
	"ListUsers": "anyKey", "User": "anyKey", "CreateUser": "Admin", "UpdateUser": "Admin", "DeleteUser": "Admin",
	"ListKeys": "anyKey", "Key": "anyKey", "CreateKey": "anyone", "UpdateKey": "anyKey", "DeleteKey": "anyKey",
	"ListEvents": "needed", "Review": "Audit", // needed is Audit, but for one's own events
	"ListServices": "List", "Service": "List", "CreateService": "Write", "UpdateService": "Write", "DeleteService": "Write",
}

// withoutCaller are the operations of operators and of the system.
var withoutCaller = []string{
	"Authenticate", "BundleOf", "CreateAccount", "DeleteExpiredKeys", "IssueKey", "ListPeople", "PurgeSecrets", "Refused", "RevokeKey", "Status",
}

// Each operation asks the gate for its own action, and no method of the manager is
// missing from the two lists.
func TestEachOperationAsksForItsAction(t *testing.T) {
	asked := map[string]string{}
	for _, name := range withoutCaller {
		asked[name] = ""
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			f, ok := n.(*ast.FuncDecl)
			if !ok || f.Recv == nil || !f.Name.IsExported() {
				return true
			}
			ast.Inspect(f.Body, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				called, ok := call.Fun.(*ast.SelectorExpr)
				switch {
				case !ok:
				case called.Sel.Name == "gate":
					asked[f.Name.Name] += types.ExprString(call.Args[2])
				case called.Sel.Name == "reveal": // which begins at the gate
					asked[f.Name.Name] += "Reveal"
				}
				return true
			})
			return true
		})
	}
	want := map[string]string{}
	methods := reflect.TypeFor[*secrets.Manager]()
	for i := range methods.NumMethod() {
		name := methods.Method(i).Name
		want[name] = actions[name]
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("actions (-want +asked):\n%s", diff)
	}
}

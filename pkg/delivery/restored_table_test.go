package delivery_test

import (
	"maps"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// snapshot reads the whole table. The function that it returns restores the table to it.
func (d *harness) snapshot() (restore func()) {
	d.t.Helper()
	scan := func() (rows []map[string]types.AttributeValue) {
		pages := dynamodb.NewScanPaginator(d.table.Client, &dynamodb.ScanInput{TableName: &d.table.Name, ConsistentRead: aws.Bool(true)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(d.t.Context())
			if err != nil {
				d.t.Fatal(err)
			}
			rows = append(rows, page.Items...)
		}
		return rows
	}
	kept := scan()
	return func() {
		d.t.Helper()
		for _, row := range scan() {
			key := map[string]types.AttributeValue{"PK": row["PK"], "SK": row["SK"]}
			if _, err := d.table.Client.DeleteItem(d.t.Context(), &dynamodb.DeleteItemInput{TableName: &d.table.Name, Key: key}); err != nil {
				d.t.Fatal(err)
			}
		}
		for _, row := range kept {
			if _, err := d.table.Client.PutItem(d.t.Context(), &dynamodb.PutItemInput{TableName: &d.table.Name, Item: row}); err != nil {
				d.t.Fatal(err)
			}
		}
	}
}

// After a restore of the table, the target becomes what the table says: all secrets after
// an operator's sweep, a changed secret automatically. The table then gives revisions and
// versions of items again.
func TestRestoredTableWins(t *testing.T) {
	t.Parallel()
	rename := func(to string) func(*bundled) { return func(b *bundled) { b.rename("OTHER", to) } }
	write := func(b *bundled) { b.write("KEY") }
	create := func(b *bundled) { b.create("NEW", b.value()) }
	for _, tt := range []struct {
		name string
		lost []func(*bundled)
		then []func(*bundled)
		all  bool // an operator sweeps all
	}{
		{"nothing happened since", []func(*bundled){write, rename("OTHER_2"), write}, nil, true},
		{"nothing was lost", nil, nil, true},
		{"another value instead of the lost one", []func(*bundled){write}, []func(*bundled){write}, false},
		{"another value, and all", []func(*bundled){write}, []func(*bundled){write}, true},
		{"another key instead of the lost one", []func(*bundled){rename("A")}, []func(*bundled){rename("B")}, false},
		{"another item instead of the lost one", []func(*bundled){create}, []func(*bundled){create}, false},
		{"fewer changes than were lost", []func(*bundled){write, write, create}, []func(*bundled){write}, false},
		{"as many changes as were lost", []func(*bundled){write, create, write}, []func(*bundled){create, write, write}, false},
		{"more changes than were lost", []func(*bundled){write}, []func(*bundled){write, create}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newHarness(t)
			defer d.finish()
			b := d.newSecret("KEY", "OTHER")
			b.attach()
			b.deploy()
			items, want := maps.Clone(b.items), maps.Clone(b.want)
			restore := d.snapshot()
			for _, change := range tt.lost {
				change(b)
				b.deploy()
			}
			last, _ := b.bundle()
			restore()
			d.clock.pass(time.Second)
			b.items, b.want = items, want
			for _, change := range tt.then {
				change(b)
			}
			if tt.all {
				d.requeueAll()
			}
			b.deploy()
			b.checkDelivered("after the restore")
			if revision, _ := b.bundle(); revision <= last && len(tt.lost) > 0 {
				t.Errorf("revision %d is current after %d", revision, last)
			}
		})
	}
}

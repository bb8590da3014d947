package readmodel_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/pgembed"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/readmodel"
)

// dumped returns what pg_dump says of the schema, as sorted statements without its name.
func dumped(t *testing.T, dsn, schema string) []string {
	t.Helper()
	bin, err := pgembed.FindBinaries()
	if err != nil {
		t.Skipf("SKIPPED: this test needs PostgreSQL's programs: %v", err)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "pg_dump"), "--schema-only", "--schema="+schema, dsn).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		t.Fatalf("pg_dump: %s", exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	var statements []string
	for _, s := range strings.Split(string(out), ";\n") {
		s = strings.Join(slices.DeleteFunc(strings.Split(s, "\n"), func(l string) bool {
			return l == "" || strings.HasPrefix(l, "--") || strings.HasPrefix(l, `\`) || strings.HasPrefix(l, "COMMENT ON SCHEMA")
		}), "\n")
		s = strings.ReplaceAll(strings.ReplaceAll(s, schema+".", "X."), "SCHEMA "+schema, "SCHEMA X")
		if s != "" {
			statements = append(statements, s)
		}
	}
	slices.Sort(statements)
	return statements
}

// A read model that is made beside the live one is like it in everything that
// PostgreSQL knows about it.
func TestCreate(t *testing.T) {
	db := pgtest.New(t)
	owner := db.Pool(t, "")
	same := func(want bool) {
		t.Helper()
		if got, err := readmodel.SameForm(t.Context(), owner, readmodel.Next); err != nil || got != want {
			t.Errorf("of the same form: %t, %v", got, err)
		}
	}
	if err := pgx.BeginFunc(t.Context(), owner, func(tx pgx.Tx) error {
		return readmodel.Create(t.Context(), tx, readmodel.Next, `it's "v1"`)
	}); err != nil {
		t.Fatal(err)
	}
	live := dumped(t, db.DSN, readmodel.Live)
	if diff := cmp.Diff(live, dumped(t, db.DSN, readmodel.Next)); diff != "" {
		t.Error(diff)
	}
	if len(live) < 50 {
		t.Errorf("pg_dump knows of %d statements only", len(live))
	}
	if note, err := readmodel.Note(t.Context(), owner, readmodel.Next); err != nil || note != `it's "v1"` {
		t.Errorf("note %q, %v", note, err)
	}
	same(true)
	for _, change := range []string{
		`ALTER TABLE read_next.users ADD COLUMN more int`,
		`ALTER TABLE read_next.users DROP COLUMN more; DROP INDEX read_next.loans_due`,
		`CREATE INDEX loans_due ON read_next.loans (due_at) WHERE status = 'ACTIVE'; REVOKE SELECT ON read_next.pools FROM gx_service`,
		`GRANT SELECT ON read_next.pools TO gx_service; ALTER TABLE read_next.votes ADD CHECK (voter_id <> '')`,
		`ALTER TABLE read_next.votes DROP CONSTRAINT votes_voter_id_check; ALTER TABLE read_next.pools SET (fillfactor = 60)`,
	} {
		if _, err := owner.Exec(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		same(false)
	}
	if _, err := owner.Exec(t.Context(), `ALTER TABLE read_next.pools SET (fillfactor = 50)`); err != nil {
		t.Fatal(err)
	}
	same(true)

	digest := func(schema string) readmodel.Digest {
		d, err := readmodel.ReadDigest(t.Context(), owner, schema)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := digest(readmodel.Live).Differ(digest(readmodel.Next)); len(d) > 0 {
		t.Errorf("empty read models differ in %v", d)
	}
	if err := pgx.BeginFunc(t.Context(), owner, func(tx pgx.Tx) error { return readmodel.Drop(t.Context(), tx, readmodel.Next) }); err != nil {
		t.Fatal(err)
	}
	if there, err := readmodel.Exists(t.Context(), owner, readmodel.Next); there || err != nil {
		t.Errorf("dropped: %t, %v", there, err)
	}
}

// Nothing outside of the read model hangs on its tables: it would hang on those
// that were live once.
func TestNothingDepends(t *testing.T) {
	owner := pgtest.New(t).Pool(t, "")
	var found []string
	if err := owner.QueryRow(t.Context(), `
		SELECT coalesce(array_agg(pg_describe_object(d.classid, d.objid, d.objsubid)), '{}')
		FROM pg_depend d JOIN pg_class c ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
		LEFT JOIN pg_class o ON d.classid = 'pg_class'::regclass AND d.objid = o.oid
		LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND d.objid = k.oid
		LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid
		LEFT JOIN pg_type y ON d.classid = 'pg_type'::regclass AND d.objid = y.oid
		WHERE c.relnamespace = 'read'::regnamespace
		  AND coalesce(o.relnamespace, k.connamespace, y.typnamespace, (SELECT relnamespace FROM pg_class WHERE oid = a.adrelid), 0) NOT IN ('read'::regnamespace, 'pg_toast'::regnamespace)`).Scan(&found); err != nil {
		t.Fatal(err)
	}
	if len(found) > 0 {
		t.Errorf("these hang on tables of the read model: %v", found)
	}
}

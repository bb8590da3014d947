package readmodel

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/postgres"
)

// Exists reports whether there is a read model in a schema.
func Exists(ctx context.Context, db postgres.DB, schema string) (exists bool, err error) {
	if err := db.QueryRow(ctx, `SELECT to_regnamespace(quote_ident($1)) IS NOT NULL`, schema).Scan(&exists); err != nil {
		return false, fmt.Errorf("look for the read model %s: %w", schema, err)
	}
	return exists, nil
}

// Create makes an empty read model in a schema, of the form of the live one and
// with the same rights for the same roles. What the operators have decided about
// dead letters holds for it too. note is kept, see Note. It needs the rights of the owner.
func Create(ctx context.Context, tx pgx.Tx, schema, note string) error {
	statements, err := structure(ctx, tx, Live, schema)
	if err != nil {
		return err
	}
	statements = append(statements, firstRows(schema),
		`COMMENT ON SCHEMA `+pgx.Identifier{schema}.Sanitize()+` IS '`+strings.ReplaceAll(clean(note), "'", "''")+`'`)
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("create the read model %s: %s: %w", schema, sql, err)
		}
	}
	return CarryOver(ctx, tx, schema)
}

// CreateTemporary makes an empty read model of temporary tables, in the session of
// db alone, and returns their schema. It needs no rights on the live one but to read.
func CreateTemporary(ctx context.Context, db postgres.DB) (schema string, err error) {
	const temporary = "pg_temp"
	names, err := tables(ctx, db, Live)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if _, err := db.Exec(ctx, `CREATE TEMPORARY TABLE `+pgx.Identifier{name}.Sanitize()+` (LIKE `+pgx.Identifier{Live, name}.Sanitize()+` INCLUDING ALL)`); err != nil {
			return "", fmt.Errorf("create a temporary read model: %w", err)
		}
	}
	if _, err := db.Exec(ctx, firstRows(temporary)); err != nil {
		return "", fmt.Errorf("create a temporary read model: %w", err)
	}
	return temporary, CarryOver(ctx, db, temporary)
}

// firstRows returns the statement that makes the rows of an empty read model.
func firstRows(schema string) string {
	in := pgx.Identifier{schema}.Sanitize()
	return `WITH status AS (INSERT INTO ` + in + `.system_status DEFAULT VALUES) INSERT INTO ` + in + `.checkpoint (block, tx_index) VALUES (-1, -1)`
}

// Note returns what Create was told about a read model.
func Note(ctx context.Context, db postgres.DB, schema string) (note string, err error) {
	err = db.QueryRow(ctx, `SELECT coalesce(obj_description(to_regnamespace(quote_ident($1)), 'pg_namespace'), '')`, schema).Scan(&note)
	if err != nil {
		return "", fmt.Errorf("read the note on the read model %s: %w", schema, err)
	}
	return note, nil
}

// CarryOver gives another read model the dead letters of the live one that it
// does not have, and the decisions of the operators on those that it has.
func CarryOver(ctx context.Context, db postgres.DB, schema string) error {
	to := pgx.Identifier{schema, "event_dlq"}.Sanitize()
	_, err := db.Exec(ctx, `
		INSERT INTO `+to+` AS n SELECT * FROM read.event_dlq
		ON CONFLICT (tx_id, seq) DO UPDATE SET (resolution, resolved_by, resolution_reason, resolved_at)
			= (excluded.resolution, excluded.resolved_by, excluded.resolution_reason, excluded.resolved_at)
		WHERE n.resolution <> 'APPLIED' AND excluded.resolution <> 'APPLIED' AND excluded.resolved_at IS NOT NULL AND (n.resolved_at IS NULL OR n.resolved_at < excluded.resolved_at)`)
	if err != nil {
		return fmt.Errorf("carry dead letters over to the read model %s: %w", schema, err)
	}
	return nil
}

// Drop removes the read model of a schema that is not the live one. Nothing may
// depend on its tables.
func Drop(ctx context.Context, tx pgx.Tx, schema string) error {
	tables, err := tables(ctx, tx, schema)
	if err != nil {
		return fmt.Errorf("drop the read model %s: %w", schema, err)
	}
	if len(tables) > 0 {
		if _, err := tx.Exec(ctx, `DROP TABLE `+strings.Join(qualified(schema, tables), ", ")); err != nil {
			return fmt.Errorf("drop the read model %s: %w", schema, err)
		}
	}
	if _, err := tx.Exec(ctx, `DROP SCHEMA IF EXISTS `+pgx.Identifier{schema}.Sanitize()); err != nil {
		return fmt.Errorf("drop the read model %s: %w", schema, err)
	}
	return nil
}

// SameForm reports whether a read model has the form of the live one: both can be
// used by this program, or neither.
func SameForm(ctx context.Context, db postgres.DB, schema string) (bool, error) {
	live, err := structure(ctx, db, Live, "")
	if err != nil {
		return false, err
	}
	other, err := structure(ctx, db, schema, "")
	return slices.Equal(live, other), err
}

// structure returns the statements that make a read model like that of a schema
// in another one.
func structure(ctx context.Context, db postgres.DB, like, schema string) ([]string, error) {
	rows, err := db.Query(ctx, structureSQL, like, schema)
	if err != nil {
		return nil, fmt.Errorf("read the structure of the read model %s: %w", like, err)
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read the structure of the read model %s: %w", like, err)
	}
	return statements, nil
}

// Analyze tells the planner what is in a read model.
func Analyze(ctx context.Context, db postgres.DB, schema string) error {
	tables, err := tables(ctx, db, schema)
	if err != nil {
		return err
	}
	if _, err := db.Exec(ctx, `ANALYZE `+strings.Join(qualified(schema, tables), ", ")); err != nil {
		return fmt.Errorf("analyze the read model %s: %w", schema, err)
	}
	return nil
}

func tables(ctx context.Context, db postgres.DB, schema string) ([]string, error) {
	rows, err := db.Query(ctx, `
		SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind = 'r' ORDER BY 1`, schema)
	if err != nil {
		return nil, fmt.Errorf("list the tables of %s: %w", schema, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the tables of %s: %w", schema, err)
	}
	return list, nil
}

func qualified(schema string, tables []string) []string {
	return column(tables, func(t string) string { return pgx.Identifier{schema, t}.Sanitize() })
}

// structureSQL returns the statements that make, as schema $2, the tables of
// schema $1 with columns, constraints, indexes, storage and rights, all under
// their names, so that migrations find in either what they look for.
const structureSQL = `
	WITH tables AS (
		SELECT c.oid, c.relname AS name, c.reloptions, c.relacl, c.relowner, format('%I.%I', $2::text, c.relname) AS new
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r'
	), statements AS (
		SELECT 1 AS step, format('CREATE SCHEMA %I AUTHORIZATION %I', $2::text, pg_get_userbyid(nspowner)) AS s FROM pg_namespace WHERE nspname = $1
		UNION ALL
		SELECT 2, format('GRANT %s ON SCHEMA %I TO %s', a.privilege_type, $2::text, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
		FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = $1 AND a.grantee <> n.nspowner
		UNION ALL
		SELECT 3, format('CREATE TABLE %s (%s)', new, string_agg(format('%I %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
			CASE WHEN a.attcollation <> y.typcollation THEN format(' COLLATE %I.%I', cn.nspname, co.collname) END,
			' ' || CASE WHEN a.attgenerated <> '' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED'
			            WHEN a.attidentity <> '' THEN 'GENERATED ' || CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END || ' AS IDENTITY'
			            ELSE 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END,
			CASE WHEN a.attnotnull THEN ' NOT NULL' END), ', ' ORDER BY a.attnum))
			|| coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', '')
		FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
		JOIN pg_type y ON y.oid = a.atttypid LEFT JOIN pg_collation co ON co.oid = a.attcollation LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
		LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
		GROUP BY new, reloptions
		UNION ALL
		SELECT 4, format('ALTER TABLE %s OWNER TO %I', new, pg_get_userbyid(relowner)) FROM tables
		UNION ALL
		SELECT 5, format('ALTER TABLE %s ADD CONSTRAINT %I %s', new, c.conname, pg_get_constraintdef(c.oid))
		FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid WHERE c.contype IN ('p', 'u', 'x', 'c')
		UNION ALL
		SELECT 6, regexp_replace(pg_get_indexdef(i.indexrelid), ' ON [^ ]+ USING ', ' ON ' || new || ' USING ')
		FROM tables t JOIN pg_index i ON i.indrelid = t.oid WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'))
		UNION ALL
		SELECT 7, format('GRANT %s ON TABLE %s TO %s', a.privilege_type, new, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
		FROM tables t, aclexplode(t.relacl) a WHERE a.grantee <> t.relowner
	)
	SELECT s FROM statements ORDER BY step, s`

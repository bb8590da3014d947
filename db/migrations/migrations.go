// Package migrations embeds the reviewed SQL migrations, applied in order by
// "gx migrate" and at the start of "gx up".
package migrations

import "embed"

// FS holds the goose migration files.
//
//go:embed *.sql
var FS embed.FS

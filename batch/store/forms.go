// The tables, in the words of each database.

package store

import "strings"

// form is one step of the tables of all databases: from the form before it to its own. What a database has not, is "".
type form struct{ sqlite, postgres string }

// forms begin with form 1. What was released is not changed: another form is added. One list serves the logs and the plant, since a
// file and a schema have one number for their form: so a plant may share a schema with a log, and a log's file has some tables
// that stay empty.
var forms = []form{{
	sqlite: `CREATE TABLE IF NOT EXISTS arbiter_op (seq INTEGER PRIMARY KEY, op BLOB NOT NULL, sum BLOB NOT NULL) STRICT`,
	postgres: `CREATE TABLE arbiter_log (name TEXT PRIMARY KEY, first BIGINT NOT NULL, last BIGINT NOT NULL, link BYTEA NOT NULL);
CREATE TABLE arbiter_op (log TEXT NOT NULL, seq BIGINT NOT NULL, op BYTEA NOT NULL, sum BYTEA NOT NULL, link BYTEA NOT NULL, PRIMARY KEY (log, seq))`,
}, both(form2)}

// form2 has the tables of a plant: each row belongs to the journal that it was made of, and seq is the record that it comes from,
// or that changed it last. Times are ns since 1970 UTC, 0 where they are not known, and texts "" where there is none.
const form2 = `CREATE TABLE plant_journal (number BIGINT NOT NULL, name TEXT NOT NULL, seq BIGINT NOT NULL, link TEXT NOT NULL, built BIGINT NOT NULL, PRIMARY KEY (number));
CREATE UNIQUE INDEX plant_journal_name ON plant_journal (name);
CREATE TABLE plant_run (journal BIGINT NOT NULL, id TEXT NOT NULL, definition TEXT NOT NULL, unit TEXT NOT NULL, state TEXT NOT NULL, status BIGINT NOT NULL, main_ident TEXT NOT NULL, process TEXT NOT NULL, created_ns BIGINT NOT NULL, started_ns BIGINT NOT NULL, ended_ns BIGINT NOT NULL, post BIGINT NOT NULL, test BIGINT NOT NULL, detail TEXT NOT NULL, seq BIGINT NOT NULL, at_ns BIGINT NOT NULL, PRIMARY KEY (journal, id));
CREATE UNIQUE INDEX plant_run_tracked ON plant_run (journal, unit, definition) WHERE status % 2 = 1;
CREATE INDEX plant_run_unit ON plant_run (unit, journal, id);
CREATE INDEX plant_run_process ON plant_run (process, journal, id);
CREATE TABLE plant_material (journal BIGINT NOT NULL, id TEXT NOT NULL, unit TEXT NOT NULL, life TEXT NOT NULL, test BIGINT NOT NULL, said TEXT NOT NULL, detail TEXT NOT NULL, seq BIGINT NOT NULL, at_ns BIGINT NOT NULL, PRIMARY KEY (journal, id));
CREATE INDEX plant_material_unit ON plant_material (unit, journal, id);
CREATE TABLE plant_move (journal BIGINT NOT NULL, seq BIGINT NOT NULL, material TEXT NOT NULL, result TEXT NOT NULL, run TEXT NOT NULL, from_unit TEXT NOT NULL, unit TEXT NOT NULL, said TEXT NOT NULL, detail TEXT NOT NULL, at_ns BIGINT NOT NULL, PRIMARY KEY (journal, seq));
CREATE INDEX plant_move_material ON plant_move (material, journal, seq);
CREATE TABLE plant_link (journal BIGINT NOT NULL, run TEXT NOT NULL, material TEXT NOT NULL, state TEXT NOT NULL, unit TEXT NOT NULL, seq BIGINT NOT NULL, at_ns BIGINT NOT NULL, PRIMARY KEY (journal, run, material));
CREATE INDEX plant_link_material ON plant_link (material, journal, run);
CREATE TABLE plant_line (journal BIGINT NOT NULL, material TEXT NOT NULL, origin TEXT NOT NULL, valid BIGINT NOT NULL, seq BIGINT NOT NULL, at_ns BIGINT NOT NULL, PRIMARY KEY (journal, material, origin));
CREATE INDEX plant_line_origin ON plant_line (origin, journal, material);
CREATE TABLE plant_article (journal BIGINT NOT NULL, id TEXT NOT NULL, product TEXT NOT NULL, process TEXT NOT NULL, job TEXT NOT NULL, run TEXT NOT NULL, unit TEXT NOT NULL, detail TEXT NOT NULL, seq BIGINT NOT NULL, at_ns BIGINT NOT NULL, PRIMARY KEY (journal, id));
CREATE INDEX plant_article_process ON plant_article (process, journal, id);
CREATE TABLE plant_batch (journal BIGINT NOT NULL, id TEXT NOT NULL, life TEXT NOT NULL, since_ns BIGINT NOT NULL, batch_state TEXT NOT NULL, restart_of TEXT NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, seq BIGINT NOT NULL, at_ns BIGINT NOT NULL, PRIMARY KEY (journal, id));
CREATE TABLE plant_job (journal BIGINT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, recipe TEXT NOT NULL, provider TEXT NOT NULL, product TEXT NOT NULL, unit TEXT NOT NULL, size TEXT NOT NULL, group_id TEXT NOT NULL, behind TEXT NOT NULL, state TEXT NOT NULL, status BIGINT NOT NULL, amount BIGINT NOT NULL, begun BIGINT NOT NULL, running BIGINT NOT NULL, success BIGINT NOT NULL, failure BIGINT NOT NULL, reworked BIGINT NOT NULL, dropped BIGINT NOT NULL, setup TEXT NOT NULL, recovery TEXT NOT NULL, aside TEXT NOT NULL, said TEXT NOT NULL, detail TEXT NOT NULL, listed_ns BIGINT NOT NULL, seq BIGINT NOT NULL, at_ns BIGINT NOT NULL, PRIMARY KEY (journal, id));
CREATE TABLE plant_slot (journal BIGINT NOT NULL, group_id TEXT NOT NULL, slot TEXT NOT NULL, state TEXT NOT NULL, detail TEXT NOT NULL, seq BIGINT NOT NULL, at_ns BIGINT NOT NULL, PRIMARY KEY (journal, group_id));
CREATE TABLE plant_process (journal BIGINT NOT NULL, id TEXT NOT NULL, job TEXT NOT NULL, state TEXT NOT NULL, command TEXT NOT NULL, product TEXT NOT NULL, said TEXT NOT NULL, detail TEXT NOT NULL, seq BIGINT NOT NULL, at_ns BIGINT NOT NULL, PRIMARY KEY (journal, id));
CREATE INDEX plant_process_job ON plant_process (job, journal, id);
CREATE TABLE plant_value (journal BIGINT NOT NULL, run TEXT NOT NULL, tag TEXT NOT NULL, at_ns BIGINT NOT NULL, seq BIGINT NOT NULL, n BIGINT NOT NULL, value TEXT NOT NULL, quality TEXT NOT NULL, PRIMARY KEY (journal, run, tag, at_ns, seq, n));
CREATE TABLE plant_aside (journal BIGINT NOT NULL, seq BIGINT NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (journal, seq))`

// both gives a form whose text is one for both databases: TEXT, which both are to order by its bytes, and BIGINT are all that it
// knows. A table of SQLite is its primary key, and holds its columns to their types.
func both(text string) form {
	return form{
		sqlite:   strings.ReplaceAll(strings.ReplaceAll(text, "BIGINT", "INTEGER"), "))", ")) WITHOUT ROWID, STRICT"),
		postgres: strings.ReplaceAll(text, " TEXT", ` TEXT COLLATE "C"`),
	}
}

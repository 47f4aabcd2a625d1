-- What hyperjobs adds to a store, beside hypersdk's own tables. No AUTOINCREMENT: it would leave a
-- sqlite_sequence behind that uninstall could not take back.

-- One row a change of a job, appended by the triggers, folded into the rollups and deleted.
-- (p s n a c z f) = provider status created started completed size files; the plain columns are the row an
-- insert or delete speaks of, or the row before an update; the columns with 1 are the row after an update.
-- op 8, of a prune with its triggers off, is z jobs deleted that had p and s, and id is a JSON array of their ids.
CREATE TABLE hyperjobs_log(seq INTEGER PRIMARY KEY, op INTEGER NOT NULL, t, rid INTEGER, id,
  p, s, n, a, c, z, f, p1, s1, n1, a1, c1, z1, f1);

CREATE TABLE hyperjobs_gauge(provider TEXT NOT NULL, status TEXT NOT NULL, jobs INTEGER NOT NULL,
  PRIMARY KEY (provider, status)) WITHOUT ROWID;

-- Counters that only grow. Durations are microseconds and buckets are not cumulative, so that every value is an
-- exact integer whatever order it was summed in.
CREATE TABLE hyperjobs_total(metric TEXT NOT NULL, provider TEXT NOT NULL, status TEXT NOT NULL, bucket INTEGER NOT NULL,
  value INTEGER NOT NULL, PRIMARY KEY (metric, provider, status, bucket)) WITHOUT ROWID;

-- hour = whole hours since 1970 (UTC) of the finish.
CREATE TABLE hyperjobs_hour(hour INTEGER NOT NULL, provider TEXT NOT NULL, status TEXT NOT NULL, jobs INTEGER NOT NULL,
  micros INTEGER NOT NULL, bytes INTEGER NOT NULL, files INTEGER NOT NULL,
  PRIMARY KEY (hour, provider, status)) WITHOUT ROWID;

CREATE TABLE hyperjobs_latest(provider TEXT PRIMARY KEY, completed_at INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE hyperjobs_provider(label TEXT PRIMARY KEY, rank INTEGER NOT NULL) WITHOUT ROWID;

-- A row with ids, a JSON array, stands for as many jobs that were pruned at once, and has no job_id.
CREATE TABLE hyperjobs_history(seq INTEGER PRIMARY KEY, job_id TEXT, at INTEGER NOT NULL, old TEXT, new TEXT, ids TEXT);
CREATE INDEX hyperjobs_history_job ON hyperjobs_history(job_id);

CREATE TABLE hyperjobs_meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;

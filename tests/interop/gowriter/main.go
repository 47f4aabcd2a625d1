// gowriter plays the part of hypersdk's Go client on a job store, through the same driver: it opens, writes life cycles
// and reads everything back, and says as JSON what it did and how long each statement took.
//
//	gowriter write -db PATH [-jobs N | -seconds S -rate R] [-seed N] [-zone NAME] [-synchronous NORMAL] [-slow-ms MS]
//	gowriter read  -db PATH
package main

import (
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"sort"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

const schema = `
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, vm_name TEXT NOT NULL, vm_path TEXT NOT NULL, provider TEXT NOT NULL,
  output_dir TEXT NOT NULL, status TEXT NOT NULL, created_at TIMESTAMP NOT NULL, started_at TIMESTAMP,
  completed_at TIMESTAMP, progress REAL DEFAULT 0, error TEXT, metadata TEXT, user TEXT,
  total_size INTEGER DEFAULT 0, files_count INTEGER DEFAULT 0);
CREATE INDEX IF NOT EXISTS idx_status ON jobs(status);
CREATE INDEX IF NOT EXISTS idx_created_at ON jobs(created_at DESC);
CREATE INDEX IF NOT EXISTS idx_provider ON jobs(provider);
CREATE INDEX IF NOT EXISTS idx_user ON jobs(user);
CREATE INDEX IF NOT EXISTS idx_vm_name ON jobs(vm_name);
CREATE TABLE IF NOT EXISTS schema_version (
  version INTEGER PRIMARY KEY, applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);`

const columns = `id, name, vm_name, vm_path, provider, output_dir, status, created_at, started_at, completed_at,
 progress, error, metadata, user, total_size, files_count`

const save = `INSERT OR REPLACE INTO jobs (` + columns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

var providers = []string{"vsphere", "aws", "gcp", "azure", "hyperv"}
var users = []string{"alice", "bob", ""}
var outcomes = []string{"completed", "completed", "completed", "failed", "cancelled"}

type job struct {
	ID          string                 `json:"id"`
	Name        string                 `json:"name"`
	VMName      string                 `json:"vm_name"`
	VMPath      string                 `json:"vm_path"`
	Provider    string                 `json:"provider"`
	OutputDir   string                 `json:"output_dir"`
	Status      string                 `json:"status"`
	CreatedAt   time.Time              `json:"created_at"`
	StartedAt   *time.Time             `json:"started_at"`
	CompletedAt *time.Time             `json:"completed_at"`
	Progress    float64                `json:"progress"`
	Error       string                 `json:"error"`
	Metadata    map[string]interface{} `json:"metadata"`
	User        string                 `json:"user"`
	TotalSize   int64                  `json:"total_size"`
	FilesCount  int                    `json:"files_count"`
}

type report struct {
	Statements    int                       `json:"statements"`
	Errors        []string                  `json:"errors"`
	Slow          []string                  `json:"slow"`
	P50Ms         float64                   `json:"p50_ms"`
	P99Ms         float64                   `json:"p99_ms"`
	MaxMs         float64                   `json:"max_ms"`
	PerSecond     float64                   `json:"statements_per_second"`
	Created       map[string]int            `json:"created"`
	Finished      map[string]map[string]int `json:"finished"`
	Durations     map[string]map[string]int `json:"durations"`
	QueueWaits    map[string]int            `json:"queue_waits"`
	Bytes         map[string]int64          `json:"bytes"`
	Files         map[string]int64          `json:"files"`
	Deleted       map[string]int            `json:"deleted"`
	Jobs          []*job                    `json:"jobs"`
	latencies     []float64
	slowThreshold float64
}

func (r *report) note(statement string, started time.Time, err error) {
	ms := float64(time.Since(started).Microseconds()) / 1000
	r.latencies = append(r.latencies, ms)
	if err != nil {
		r.Errors = append(r.Errors, fmt.Sprintf("%.40s: %v", statement, err))
	}
	if ms > r.slowThreshold {
		r.Slow = append(r.Slow, fmt.Sprintf("%.40s: %.1f ms", statement, ms))
	}
}

func (r *report) close(elapsed time.Duration) {
	r.Statements = len(r.latencies)
	r.PerSecond = float64(r.Statements) / elapsed.Seconds()
	sort.Float64s(r.latencies)
	r.P50Ms = r.latencies[r.Statements/2]
	r.P99Ms = r.latencies[r.Statements*99/100]
	r.MaxMs = r.latencies[r.Statements-1]
}

type writer struct {
	db     *sql.DB
	random *rand.Rand
	zone   *time.Location
	report *report
	next   int
	prefix string
}

func (w *writer) exec(statement string, args ...interface{}) {
	started := time.Now()
	_, err := w.db.Exec(statement, args...)
	w.report.note(statement, started, err)
}

// open does what the client does on every start, on a store that may exist and be in use.
func (w *writer) open(synchronous string) {
	w.exec("PRAGMA journal_mode=WAL")
	w.exec("PRAGMA synchronous=" + synchronous)
	w.exec(schema)
	w.exec("INSERT OR IGNORE INTO schema_version (version) VALUES (?)", 1)
}

func (w *writer) save(j *job) {
	metadata, err := json.Marshal(j.Metadata)
	must(err)
	// A nil pointer must arrive as NULL, and a time as the driver's own text in its own zone.
	var started, completed interface{}
	if j.StartedAt != nil {
		started = *j.StartedAt
	}
	if j.CompletedAt != nil {
		completed = *j.CompletedAt
	}
	w.exec(save, j.ID, j.Name, j.VMName, j.VMPath, j.Provider, j.OutputDir, j.Status, j.CreatedAt, started, completed,
		j.Progress, j.Error, string(metadata), j.User, j.TotalSize, j.FilesCount)
}

func (w *writer) setStatus(j *job, status string) {
	j.Status = status
	w.exec("UPDATE jobs SET status = ? WHERE id = ?", status, j.ID)
}

func (w *writer) setProgress(j *job, percent float64) {
	j.Progress = percent
	w.exec("UPDATE jobs SET progress = ? WHERE id = ?", percent, j.ID)
}

func (w *writer) newJob() *job {
	vm := fmt.Sprintf("vm-%d ✓ \"q\"", w.random.Intn(1000))
	// The queue wait and the run that follows are in the past, so that no time lies ahead of the clock.
	created := time.Now().Add(-time.Duration(7200+w.random.Intn(86400)) * time.Second).In(w.zone)
	j := &job{
		ID: fmt.Sprintf("%s-%06d", w.prefix, w.next), Name: "Export " + vm, VMName: vm, VMPath: "/dc/vm/" + vm,
		Provider: providers[w.random.Intn(len(providers))], OutputDir: "/exports/" + vm, Status: "pending",
		CreatedAt: created, User: users[w.random.Intn(len(users))],
	}
	if w.random.Intn(3) > 0 {
		j.Metadata = map[string]interface{}{"format": "ova", "compress": true, "disks": float64(w.random.Intn(4)),
			"note": "line1\nline2 ✓"}
	}
	w.next++
	return j
}

// cycle writes one job's life: a fifth stop on the way, a tenth are deleted at the end.
func (w *writer) cycle() *job {
	r := w.report
	j := w.newJob()
	w.save(j)
	r.Created[j.Provider]++
	if w.random.Intn(10) == 0 {
		return j
	}
	w.setStatus(j, "running")
	started := j.CreatedAt.Add(time.Duration(w.random.Intn(3600)) * time.Second)
	j.StartedAt = &started
	w.save(j)
	r.QueueWaits[j.Provider]++
	for _, percent := range []float64{25, 50.5, 75} {
		w.setProgress(j, percent)
	}
	if w.random.Intn(10) == 0 {
		return j
	}
	w.finish(j)
	if w.random.Intn(10) == 0 {
		w.exec("DELETE FROM jobs WHERE id = ?", j.ID)
		r.Deleted[j.Provider]++
		return nil
	}
	return j
}

func (w *writer) finish(j *job) {
	r := w.report
	outcome := outcomes[w.random.Intn(len(outcomes))]
	if r.Finished[j.Provider] == nil {
		r.Finished[j.Provider] = map[string]int{}
		r.Durations[j.Provider] = map[string]int{}
	}
	r.Finished[j.Provider][outcome]++
	if w.random.Intn(8) == 0 {
		// As the client leaves it when only the status is set: finished, and completed_at NULL.
		w.setStatus(j, outcome)
		return
	}
	completed := j.StartedAt.Add(time.Duration(w.random.Intn(3600)) * time.Second)
	j.CompletedAt = &completed
	j.Status = outcome
	if outcome == "completed" {
		j.Progress, j.TotalSize, j.FilesCount = 100, w.random.Int63n(1<<40), 1+w.random.Intn(20)
	} else {
		j.Error = "transfer failed: \"timeout\"\nafter 3 tries"
	}
	w.save(j)
	r.Durations[j.Provider][outcome]++
	r.Bytes[j.Provider] += j.TotalSize
	r.Files[j.Provider] += int64(j.FilesCount)
}

// readAll scans into plain Go types, as the client's own reader does: one NULL or odd value fails the whole list.
func readAll(db *sql.DB) ([]*job, error) {
	rows, err := db.Query("SELECT " + columns + " FROM jobs ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	jobs := []*job{}
	for rows.Next() {
		j, metadata := &job{}, ""
		var started, completed sql.NullTime
		err := rows.Scan(&j.ID, &j.Name, &j.VMName, &j.VMPath, &j.Provider, &j.OutputDir, &j.Status, &j.CreatedAt,
			&started, &completed, &j.Progress, &j.Error, &metadata, &j.User, &j.TotalSize, &j.FilesCount)
		if err != nil {
			return nil, fmt.Errorf("after %q: %w", lastID(jobs), err)
		}
		if started.Valid {
			j.StartedAt = &started.Time
		}
		if completed.Valid {
			j.CompletedAt = &completed.Time
		}
		if err := json.Unmarshal([]byte(metadata), &j.Metadata); err != nil {
			return nil, fmt.Errorf("%s: metadata %q: %w", j.ID, metadata, err)
		}
		jobs = append(jobs, j)
	}
	return jobs, rows.Err()
}

func lastID(jobs []*job) string {
	if len(jobs) == 0 {
		return ""
	}
	return jobs[len(jobs)-1].ID
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func openDB(path string) *sql.DB {
	db, err := sql.Open("sqlite3", path+"?_busy_timeout=5000")
	must(err)
	db.SetMaxOpenConns(1)
	return db
}

func print(value interface{}) {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	must(encoder.Encode(value))
}

func write(arguments []string) {
	flags := flag.NewFlagSet("write", flag.ExitOnError)
	path := flags.String("db", "", "the store")
	jobs := flags.Int("jobs", 0, "write this many life cycles")
	seconds := flags.Float64("seconds", 0, "write life cycles for this long")
	rate := flags.Float64("rate", 0, "statements a second at most; 0 is as fast as it goes")
	seed := flags.Int64("seed", 1, "what chance starts from")
	zone := flags.String("zone", "", "zone of the times written; empty is the machine's, from TZ")
	synchronous := flags.String("synchronous", "NORMAL", "as the client sets it")
	slow := flags.Float64("slow-ms", 1000, "a statement above this many milliseconds is reported")
	prefix := flags.String("prefix", "job", "what ids start with")
	must(flags.Parse(arguments))
	location := time.Local
	if *zone != "" {
		var err error
		location, err = time.LoadLocation(*zone)
		must(err)
	}
	r := &report{Errors: []string{}, Slow: []string{}, Jobs: []*job{}, slowThreshold: *slow,
		Created: map[string]int{}, Finished: map[string]map[string]int{}, Durations: map[string]map[string]int{},
		QueueWaits: map[string]int{}, Bytes: map[string]int64{}, Files: map[string]int64{}, Deleted: map[string]int{}}
	w := &writer{db: openDB(*path), random: rand.New(rand.NewSource(*seed)), zone: location, report: r, prefix: *prefix}
	began := time.Now()
	w.open(*synchronous)
	for (*jobs > 0 && w.next < *jobs) || time.Since(began).Seconds() < *seconds {
		if j := w.cycle(); j != nil {
			r.Jobs = append(r.Jobs, j)
		}
		if *rate > 0 {
			due := began.Add(time.Duration(float64(len(r.latencies)) / *rate * float64(time.Second)))
			time.Sleep(time.Until(due))
		}
	}
	r.close(time.Since(began))
	must(w.db.Close())
	print(r)
}

func read(arguments []string) {
	flags := flag.NewFlagSet("read", flag.ExitOnError)
	path := flags.String("db", "", "the store")
	must(flags.Parse(arguments))
	db := openDB(*path)
	jobs, err := readAll(db)
	must(err)
	must(db.Close())
	print(jobs)
}

func main() {
	if len(os.Args) < 2 {
		must(fmt.Errorf("usage: gowriter write|read -db PATH …"))
	}
	switch os.Args[1] {
	case "write":
		write(os.Args[2:])
	case "read":
		read(os.Args[2:])
	default:
		must(fmt.Errorf("unknown command %q: write or read", os.Args[1]))
	}
}

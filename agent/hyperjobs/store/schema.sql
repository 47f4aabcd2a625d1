CREATE TABLE jobs (
		id TEXT PRIMARY KEY,
		name TEXT NOT NULL,
		vm_name TEXT NOT NULL,
		vm_path TEXT NOT NULL,
		provider TEXT NOT NULL,
		output_dir TEXT NOT NULL,
		status TEXT NOT NULL,
		created_at TIMESTAMP NOT NULL,
		started_at TIMESTAMP,
		completed_at TIMESTAMP,
		progress REAL DEFAULT 0,
		error TEXT,
		metadata TEXT,
		user TEXT,
		total_size INTEGER DEFAULT 0,
		files_count INTEGER DEFAULT 0
	);
CREATE INDEX idx_status ON jobs(status);
CREATE INDEX idx_created_at ON jobs(created_at DESC);
CREATE INDEX idx_provider ON jobs(provider);
CREATE INDEX idx_user ON jobs(user);
CREATE INDEX idx_vm_name ON jobs(vm_name);
CREATE TABLE schema_version (
		version INTEGER PRIMARY KEY,
		applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
	);
INSERT INTO schema_version (version) VALUES (1);

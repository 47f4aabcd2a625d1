-- Nothing here is newer than SQLite 3.31, the oldest a writer may have: a trigger that fails, fails its writer.
-- A driver that keeps no prepared statements compiles these bodies on every statement, so they are as short as
-- exactness allows: see docs/decisions.md. A row before has no created_at (n), for nothing counts by it. An outer
-- OR IGNORE or OR REPLACE overrides conflict clauses in a trigger body, so there are none.

-- op 0: an insert is tried. Always one row (max() makes it so), with the job it would replace, if any. It carries
-- the rowid the writer named (-1: none), because naming one can replace a job with another id, unseen.
CREATE TRIGGER hyperjobs_bi BEFORE INSERT ON jobs BEGIN
  INSERT INTO hyperjobs_log(op,t,rid,p,s,a,c,z,f)
    SELECT 0,NEW.rowid,max(rowid),provider,status,started_at,completed_at,total_size,files_count FROM jobs WHERE id=NEW.id;
END;

-- op 1: the insert happened.
CREATE TRIGGER hyperjobs_ai AFTER INSERT ON jobs BEGIN
  INSERT INTO hyperjobs_log(op,t,rid,id,p,s,n,a,c,z,f)
    VALUES(1,CURRENT_TIMESTAMP,NEW.rowid,NEW.id,NEW.provider,NEW.status,NEW.created_at,NEW.started_at,NEW.completed_at,NEW.total_size,NEW.files_count);
END;

-- op 2: an update of a column that counts; progress is left out on purpose, it is the most frequent write.
CREATE TRIGGER hyperjobs_au AFTER UPDATE OF provider,status,created_at,started_at,completed_at,total_size,files_count ON jobs BEGIN
  INSERT INTO hyperjobs_log
    VALUES(NULL,2,CURRENT_TIMESTAMP,NEW.rowid,NEW.id,OLD.provider,OLD.status,NULL,OLD.started_at,OLD.completed_at,OLD.total_size,OLD.files_count,
           NEW.provider,NEW.status,NEW.created_at,NEW.started_at,NEW.completed_at,NEW.total_size,NEW.files_count);
END;

-- op 3: a delete; with recursive_triggers on, also the delete inside a REPLACE. The remark is what tells version 2
-- from 1: an agent of version 1 that finds it looks at the version, and refuses.
CREATE TRIGGER hyperjobs_ad AFTER DELETE ON jobs BEGIN /* or op 8 */
  INSERT INTO hyperjobs_log(op,t,rid,id,p,s) VALUES(3,CURRENT_TIMESTAMP,OLD.rowid,OLD.id,OLD.provider,OLD.status);
END;

-- op 4: a rename is tried, with the job it would replace, if any; op 5: it happened, and what the id was before.
CREATE TRIGGER hyperjobs_bu BEFORE UPDATE OF id ON jobs WHEN NEW.id IS NOT OLD.id BEGIN
  INSERT INTO hyperjobs_log(op,rid,id,p,s) SELECT 4,max(rowid),NEW.id,provider,status FROM jobs WHERE id=NEW.id;
END;
CREATE TRIGGER hyperjobs_au_id AFTER UPDATE OF id ON jobs WHEN NEW.id IS NOT OLD.id BEGIN
  INSERT INTO hyperjobs_log(op,t,rid,id,p,s) VALUES(5,CURRENT_TIMESTAMP,NEW.rowid,NEW.id,OLD.id,NEW.status);
END;

-- The catalog of an Archive. Derived from its Snapshots: deleting it loses nothing.

CREATE TABLE snapshots (
    name TEXT PRIMARY KEY, number INTEGER NOT NULL, tagmanifest_sha256 TEXT NOT NULL, started TEXT NOT NULL,
    finished TEXT NOT NULL, complete INTEGER NOT NULL, ending TEXT NOT NULL, listed INTEGER NOT NULL,
    gone INTEGER NOT NULL, requests INTEGER NOT NULL, throttled INTEGER NOT NULL, files INTEGER NOT NULL,
    payload_bytes INTEGER NOT NULL, written_bytes INTEGER NOT NULL
);
CREATE TABLE projects (
    project_id INTEGER PRIMARY KEY, name TEXT NOT NULL, organization_id TEXT NOT NULL
);
CREATE TABLE backtests (
    project_id INTEGER NOT NULL REFERENCES projects, backtest_id TEXT NOT NULL, name TEXT NOT NULL,
    created TEXT NOT NULL, status TEXT NOT NULL, optimization_id TEXT NOT NULL, tags TEXT NOT NULL,
    gone_since TEXT NOT NULL, first_snapshot TEXT NOT NULL, last_snapshot TEXT NOT NULL,
    PRIMARY KEY (project_id, backtest_id)
);
-- The listing's figures as last seen.
CREATE TABLE statistics (
    project_id INTEGER NOT NULL, backtest_id TEXT NOT NULL, name TEXT NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (project_id, backtest_id, name)
) WITHOUT ROWID;
-- One row for every version of a report that was archived.
CREATE TABLE reports (
    report_id INTEGER PRIMARY KEY, project_id INTEGER NOT NULL, backtest_id TEXT NOT NULL,
    saved_in TEXT NOT NULL, report_sha256 TEXT NOT NULL, read_at TEXT NOT NULL, path TEXT NOT NULL,
    files INTEGER NOT NULL, payload_bytes INTEGER NOT NULL, generation_s REAL,
    UNIQUE (project_id, backtest_id, saved_in)
);
-- The report's own key statistics: as written, and as a number with its unit.
CREATE TABLE figures (
    report_id INTEGER NOT NULL REFERENCES reports, label TEXT NOT NULL, text TEXT NOT NULL, value REAL, unit TEXT,
    PRIMARY KEY (report_id, label)
) WITHOUT ROWID;
CREATE TABLE images (
    report_id INTEGER NOT NULL REFERENCES reports, name TEXT NOT NULL, title TEXT NOT NULL,
    media_type TEXT NOT NULL, sha256 TEXT NOT NULL, size_bytes INTEGER NOT NULL, width INTEGER, height INTEGER,
    PRIMARY KEY (report_id, name)
) WITHOUT ROWID;
-- What became of a backtest, from one Snapshot to another through which nothing changed about that.
CREATE TABLE outcomes (
    project_id INTEGER NOT NULL, backtest_id TEXT NOT NULL, from_snapshot TEXT NOT NULL,
    to_snapshot TEXT NOT NULL, outcome TEXT NOT NULL, name TEXT NOT NULL, reason TEXT NOT NULL,
    error TEXT NOT NULL, saved_in TEXT NOT NULL, gone INTEGER NOT NULL,
    PRIMARY KEY (project_id, backtest_id, from_snapshot)
) WITHOUT ROWID;

CREATE VIEW newest_reports AS
    SELECT p.name AS project, b.name AS backtest, b.created, r.saved_in, r.path, b.project_id, b.backtest_id,
           r.report_id
    FROM backtests b JOIN projects p USING (project_id) JOIN reports r USING (project_id, backtest_id)
    WHERE r.report_id = (SELECT max(report_id) FROM reports n
                         WHERE n.project_id = b.project_id AND n.backtest_id = b.backtest_id);
CREATE VIEW best_sharpe AS
    SELECT s.value AS sharpe, n.project, n.backtest, n.created, n.path
    FROM newest_reports n JOIN statistics s USING (project_id, backtest_id)
    WHERE s.name = 'sharpeRatio' ORDER BY s.value DESC;
CREATE VIEW changed_reports AS
    SELECT p.name AS project, b.name AS backtest, count(*) AS versions, min(r.saved_in) AS first,
           max(r.saved_in) AS last
    FROM reports r JOIN backtests b USING (project_id, backtest_id) JOIN projects p USING (project_id)
    GROUP BY r.project_id, r.backtest_id HAVING count(*) > 1;
CREATE VIEW gone_backtests AS
    SELECT p.name AS project, b.name AS backtest, b.gone_since, b.project_id, b.backtest_id
    FROM backtests b JOIN projects p USING (project_id) WHERE b.gone_since <> '';
CREATE VIEW failures AS
    SELECT o.to_snapshot AS snapshot, p.name AS project, o.name AS backtest, o.outcome, o.error, o.reason,
           o.project_id, o.backtest_id
    FROM outcomes o JOIN projects p USING (project_id)
    WHERE o.outcome IN ('lost', 'failed', 'unavailable', 'pending')
      AND o.to_snapshot = (SELECT name FROM snapshots ORDER BY number DESC LIMIT 1);
CREATE VIEW key_figures AS
    SELECT n.project, n.backtest, f.label, f.text, f.value, f.unit FROM newest_reports n JOIN figures f USING (report_id);

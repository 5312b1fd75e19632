"""The catalogue's joins as SQL: what is to be read, what stays, what is double, and what a series is."""

from __future__ import annotations

__all__ = [
    *("CHANGED", "CHANGES", "COUNTS", "JUDGED", "KEPT", "KINDS", "OTHERS", "PLACED", "QUARANTINED", "SERIES", "SKIPPED", "SLICES"),
    *("SOURCES", "TO_HASH", "TO_READ", "TWINS"),
]

#: Views over the files: what the folder has now, and what is known of it from before. A run that was killed after it had made the new
#: tables leaves parts that are in them already.
SOURCES = (
    "CREATE OR REPLACE VIEW listing AS SELECT * FROM read_parquet({listing})",
    *(
        f"""CREATE OR REPLACE VIEW known_{name} AS
            SELECT * FROM read_parquet({{{name}}}, union_by_name = true)
            UNION ALL BY NAME
            SELECT part.* FROM read_parquet({{{name}_parts}}) AS part
            ANTI JOIN read_parquet({{{name}}}) AS whole USING (path, size, modified_ns)"""
        for name in ("instances", "quarantine")
    ),
    """CREATE OR REPLACE VIEW known AS
       SELECT path, size, modified_ns FROM known_instances
       UNION SELECT path, size, modified_ns FROM known_quarantine WHERE size > 0 OR modified_ns > 0""",
    # What is still in the folder.
    """CREATE OR REPLACE VIEW kept AS
       SELECT known_instances.* FROM known_instances SEMI JOIN listing USING (path, size, modified_ns)""",
)

#: Files in the folder; those of them that are known; those that are known and not in the folder in this state.
CHANGES = """
SELECT (SELECT count(*) FROM listing WHERE skipped = ''),
       (SELECT count(*) FROM listing SEMI JOIN known USING (path, size, modified_ns) WHERE skipped = ''),
       (SELECT count(*) FROM known ANTI JOIN listing USING (path, size, modified_ns))
"""

#: How many parts of the folder are left out otherwise than before.
SKIPPED = """
WITH now AS (SELECT path, skipped FROM listing WHERE skipped <> ''),
     before AS (SELECT path, reason FROM known_quarantine WHERE size = 0 AND modified_ns = 0)
SELECT (SELECT count(*) FROM (FROM now EXCEPT FROM before)) + (SELECT count(*) FROM (FROM before EXCEPT FROM now))
"""

TO_READ = """
SELECT path, size, modified_ns FROM listing ANTI JOIN known USING (path, size, modified_ns) WHERE skipped = '' ORDER BY path
"""

_SHARED = "(SELECT sop_instance_uid FROM kept GROUP BY ALL HAVING count(*) > 1)"

#: Files whose SOP Instance UID stands in another file too, and whose hash is not known.
TO_HASH = f"SELECT path FROM kept WHERE sha256 IS NULL AND sop_instance_uid IN {_SHARED} ORDER BY path"

#: The first path of the same bytes is the instance, the others its duplicates; other bytes under one UID are a conflict.
TWINS = f"""
CREATE OR REPLACE TABLE twins AS
WITH shared AS (
  SELECT path, sop_instance_uid, coalesce(hashes.sha256, kept.sha256) AS sha256
  FROM kept LEFT JOIN hashes USING (path) WHERE sop_instance_uid IN {_SHARED}
)
SELECT path, sha256, nullif(first_value(path) OVER same, path) AS duplicate_of, min(sha256) OVER one <> max(sha256) OVER one AS conflict
FROM shared WINDOW one AS (PARTITION BY sop_instance_uid), same AS (PARTITION BY sop_instance_uid, coalesce(sha256, path) ORDER BY path)
"""

#: The new table of instances, in the order in which they were read: to sort a million of them costs more than to read them.
KEPT = """
SELECT kept.* REPLACE (
  coalesce(twins.sha256, kept.sha256) AS sha256, twins.duplicate_of AS duplicate_of, coalesce(twins.conflict, false) AS conflict
)
FROM kept LEFT JOIN twins USING (path)
"""

QUARANTINED = """
SELECT DISTINCT path, size, modified_ns, tag, reason, text
FROM known_quarantine SEMI JOIN listing USING (path, size, modified_ns)
WHERE path NOT IN (SELECT path FROM listing WHERE skipped <> '')
UNION ALL
SELECT path, size, modified_ns, '', skipped, coalesce(text, skipped)
FROM listing LEFT JOIN reasons ON reasons.reason = listing.skipped WHERE skipped <> ''
ORDER BY path, tag, reason, text
"""

#: One row a series of a study. A value is the least of those its instances have (their duplicates have the same); whether they differ is
#: told where it matters. `state` changes with the series' files, and with the rules by which its geometry is judged.
SERIES = """
SELECT study_instance_uid, series_instance_uid,
       min(modality) AS modality,
       min(body_part_examined) AS body_part_examined, min(body_part_code) AS body_part_code, min(body_part) AS body_part,
       min(laterality) AS laterality,
       min(patient_id) AS patient_id, min(accession_number) AS accession_number, min(study_id) AS study_id,
       min(study_date) AS study_date, min(series_date) AS series_date,
       min(acquisition_date) AS first_acquisition_date, max(acquisition_date) AS last_acquisition_date,
       min(study_time) AS study_time, min(series_time) AS series_time,
       min(study_description) AS study_description, min(series_description) AS series_description, min(protocol_name) AS protocol_name,
       min(series_number) AS series_number,
       min(manufacturer) AS manufacturer, min(manufacturer_model_name) AS manufacturer_model_name,
       min(device_serial_number) AS device_serial_number, min(station_name) AS station_name, min(institution_name) AS institution_name,
       min("rows") AS "rows", min("columns") AS "columns",
       min(slice_thickness) AS slice_thickness,
       list_sort(list(DISTINCT transfer_syntax_uid)) AS transfer_syntax_uids,
       list_sort(list(DISTINCT sop_class_uid)) AS sop_class_uids,
       count(*) FILTER (duplicate_of IS NULL) AS n_instances,
       (sum(coalesce(number_of_frames, 1)) FILTER (duplicate_of IS NULL))::BIGINT AS n_frames,
       (sum(size) FILTER (duplicate_of IS NULL))::BIGINT AS bytes,
       count(DISTINCT patient_id) > 1 AS several_patients,
       count(DISTINCT ("rows", "columns")) > 1 AS several_sizes,
       count(*) FILTER (conflict AND duplicate_of IS NULL) AS n_conflicts,
       count(duplicate_of) AS n_duplicates,
       min(path) AS first_path,
       xor(bit_xor(hash(path, size, modified_ns)) FILTER (duplicate_of IS NULL), {rules}::UBIGINT) AS state
FROM instances LEFT JOIN parts_of_body ON instances.body_part_examined = parts_of_body.written
GROUP BY study_instance_uid, series_instance_uid
"""

#: Series that are not as they were: their geometry has to be judged.
CHANGED = """
CREATE OR REPLACE TABLE changed AS
SELECT study_instance_uid, series_instance_uid FROM new_series ANTI JOIN old_series USING (study_instance_uid, series_instance_uid, state)
"""

#: Those of them that are plain images with positions, and their instances: `alike` are those that differ only in what tells slices apart.
PLACED = """
CREATE OR REPLACE TABLE placed AS
SELECT study_instance_uid, series_instance_uid FROM instances SEMI JOIN changed USING (study_instance_uid, series_instance_uid)
WHERE duplicate_of IS NULL GROUP BY ALL
HAVING count(number_of_frames) = 0 AND count("rows") = count(*) AND count(image_position_patient) = count(*);
CREATE OR REPLACE VIEW slices AS
SELECT *, hash({common}) AS alike FROM instances SEMI JOIN placed USING (study_instance_uid, series_instance_uid) WHERE duplicate_of IS NULL
"""

#: One slice of each kind.
KINDS = """
SELECT study_instance_uid, series_instance_uid, alike, {columns}
FROM slices SEMI JOIN (SELECT min(path) AS path FROM slices GROUP BY study_instance_uid, series_instance_uid, alike) USING (path)
ORDER BY study_instance_uid, series_instance_uid
"""

SLICES = """
SELECT study_instance_uid, series_instance_uid, alike, sop_instance_uid, image_position_patient FROM slices
ORDER BY study_instance_uid, series_instance_uid, path
"""

#: Those that were not judged as plain ones.
OTHERS = """
SELECT study_instance_uid, series_instance_uid, {columns}
FROM instances SEMI JOIN (FROM changed ANTI JOIN judged USING (study_instance_uid, series_instance_uid))
USING (study_instance_uid, series_instance_uid)
WHERE duplicate_of IS NULL ORDER BY study_instance_uid, series_instance_uid, path
"""

#: The new table of series: with new verdicts, and with the old ones of those that did not change.
JUDGED = """
SELECT new_series.*, {verdicts}
FROM new_series
LEFT JOIN old_series USING (study_instance_uid, series_instance_uid, state)
LEFT JOIN judged USING (study_instance_uid, series_instance_uid)
ORDER BY study_instance_uid, series_instance_uid
"""

COUNTS = """
SELECT (SELECT count(*) FROM '{instances}'), (SELECT count(*) FROM '{series}'),
       (SELECT count(DISTINCT path) FROM '{quarantine}'),
       (SELECT count(duplicate_of) FROM '{instances}'), (SELECT count(*) FILTER (conflict) FROM '{instances}')
"""

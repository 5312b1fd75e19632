"""The catalogue's joins as SQL: what is to be read, what stays, what is double, and what a series is."""

from __future__ import annotations

__all__ = ["CHANGES", "COUNTS", "DUPLICATES", "JUDGED", "MERGED", "QUARANTINED", "SERIES", "SOURCES", "TO_HASH", "TO_JUDGE", "TO_READ"]

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
)

#: Files in the folder; those of them that are known; those that are known and not in the folder in this state.
CHANGES = """
SELECT (SELECT count(*) FROM listing WHERE skipped = ''),
       (SELECT count(*) FROM listing SEMI JOIN known USING (path, size, modified_ns) WHERE skipped = ''),
       (SELECT count(*) FROM known ANTI JOIN listing USING (path, size, modified_ns))
"""

TO_READ = """
SELECT path, size, modified_ns FROM listing ANTI JOIN known USING (path, size, modified_ns) WHERE skipped = '' ORDER BY path
"""

#: What is still in the folder.
MERGED = """
CREATE OR REPLACE TABLE merged AS
SELECT known_instances.* REPLACE (NULL::VARCHAR AS duplicate_of, false AS conflict)
FROM known_instances SEMI JOIN listing USING (path, size, modified_ns)
"""

#: Files whose SOP Instance UID stands in another file too, and whose hash is not known.
TO_HASH = """
SELECT path FROM merged
WHERE sha256 IS NULL AND sop_instance_uid IN (SELECT sop_instance_uid FROM merged GROUP BY ALL HAVING count(*) > 1)
ORDER BY path
"""

#: The first path of the same bytes is the instance, the others its duplicates; other bytes under one UID are a conflict.
DUPLICATES = """
UPDATE merged SET sha256 = hashes.sha256 FROM hashes WHERE merged.path = hashes.path;
CREATE OR REPLACE TEMP TABLE twins AS
SELECT path, first_value(path) OVER (PARTITION BY sop_instance_uid, sha256 ORDER BY path) AS original,
       min(sha256) OVER (PARTITION BY sop_instance_uid) <> max(sha256) OVER (PARTITION BY sop_instance_uid) AS conflict
FROM merged WHERE sop_instance_uid IN (SELECT sop_instance_uid FROM merged GROUP BY ALL HAVING count(*) > 1);
UPDATE merged SET duplicate_of = nullif(twins.original, merged.path), conflict = twins.conflict FROM twins WHERE merged.path = twins.path;
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

#: One row a series of a study. A value is the least of those its instances have; whether they differ is told where it matters.
#: `state` changes with the series' files, and with the rules by which its geometry is judged.
SERIES = """
WITH kept AS (SELECT * FROM merged WHERE duplicate_of IS NULL)
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
       list_sort(list_distinct(list(transfer_syntax_uid))) AS transfer_syntax_uids,
       list_sort(list_distinct(list(sop_class_uid))) AS sop_class_uids,
       count(*) AS n_instances, sum(coalesce(number_of_frames, 1))::BIGINT AS n_frames, sum(size)::BIGINT AS bytes,
       count(DISTINCT patient_id) > 1 AS several_patients,
       count(DISTINCT ("rows", "columns")) > 1 AS several_sizes,
       count(*) FILTER (conflict) AS n_conflicts,
       any_value(n_duplicates) AS n_duplicates,
       min(path) AS first_path,
       xor(bit_xor(hash(path, size, modified_ns)), {rules}::UBIGINT) AS state
FROM kept LEFT JOIN parts_of_body ON kept.body_part_examined = parts_of_body.written
JOIN (
  SELECT study_instance_uid AS study, series_instance_uid AS series, count(duplicate_of) AS n_duplicates FROM merged GROUP BY ALL
) AS twice ON kept.study_instance_uid = twice.study AND kept.series_instance_uid = twice.series
GROUP BY study_instance_uid, series_instance_uid
"""

#: Series that are not as they were: their geometry has to be judged.
TO_JUDGE = """
SELECT study_instance_uid, series_instance_uid, {columns}
FROM merged SEMI JOIN (
  SELECT study_instance_uid, series_instance_uid FROM new_series ANTI JOIN old_series USING (study_instance_uid, series_instance_uid, state)
) AS changed USING (study_instance_uid, series_instance_uid)
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

"""What ran."""

from nwh.warehouse.schema.relation import Column, Relation

RUNS = Relation(
    "runs",
    "job run that completed",
    ("run_id",),
    (
        Column("run_id", "text", "identifier of the run: time of its start and a random suffix"),
        Column("job", "text", "`corpus`, `activations`, …"),
        Column("unit", "text", "what the run wrote: model, checkpoint, corpus … as `key=value` joined by `/`"),
        Column("status", "text", "`complete`: the row is written last, after everything the run stored"),
        Column("settings", "text", "JSON: every setting of the job, defaults included"),
        Column("started_at", "timestamp", "UTC"),
        Column("finished_at", "timestamp", "UTC"),
        Column("seconds", "double", "wall-clock seconds of all sessions that worked on the run"),
        Column("model_seconds", "double", "seconds inside the model loop, null where no model runs", True),
        Column("rows", "bigint", "rows stored, all relations together"),
        Column("notes", "text[]", "what the user was told: sentences truncated, left out, fallbacks taken"),
        Column(
            "seq",
            "bigint",
            "order in which runs became visible: the version of `runs` that this row made; null for runs of nwh 0.1",
            True,
            absent="null::bigint",
        ),
        Column(
            "manifest",
            "text",
            "JSON: the partitions that the run replaced, and the files that hold their rows; null for runs of nwh 0.1",
            True,
            absent="null::text",
        ),
        Column("versions", "text", "JSON: nwh, python, torch, transformers, device, dtype, git revision …"),
    ),
)

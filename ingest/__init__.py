"""From text to what is known of neurons: one folder per step, and the job that each unit of it is made by."""

FUNCTIONS = {
    "corpus": "text.corpus.ingest_corpus",
    "annotations": "annotation.job.ingest_annotations",
    "activations": "activations.job.ingest_activations",
    "profiles": "profiles.job.ingest_profiles",
    "patterns": "patterns.job.ingest_patterns",
    "explanations": "explanations.job.ingest_explanations",
    "clusters": "comparison.clusters.ingest_clusters",
    "matches": "comparison.matches.ingest_matches",
    "distances": "comparison.distances.ingest_distances",
    "fine-tune": "training.fine_tune.fine_tune",
    "prompts": "prompts.job.ingest_prompts",
    "counts": "prompts.counts.ingest_counts",
    "attributions": "knowledge.attributions.ingest_attributions",
    "interventions": "knowledge.interventions.ingest_interventions",
    "ablations": "knowledge.ablations.ingest_ablations",
    "faithfulness": "knowledge.faithfulness.ingest_faithfulness",
    "side-effects": "knowledge.side_effects.ingest_side_effects",
    "weights": "weights.job.ingest_weights",
    "published-neurons": "knowledge.published_neurons.ingest_published_neurons",
}
"""Job -> the function that does it. What each reads and writes: `warehouse.jobs.JOBS`, in the same order."""

"""The main job: plan, queue, pool, run."""

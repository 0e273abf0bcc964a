"""The one training loop that pretraining and tuning share."""

"""From a folder of tagged pictures to a published model artifact. Never imports `app`."""

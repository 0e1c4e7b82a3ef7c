"""`report.html`: an evaluation as one page that opens without internet."""

"""Deciding, pure: site + catalogue + facts -> what should be; that + what is -> the steps, each with its reason."""

"""Refused rows, fetched whole from the logs and written where a person can repair them."""

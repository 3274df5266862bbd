bind = "unix:/run/mcads/gunicorn.sock"
workers = 3

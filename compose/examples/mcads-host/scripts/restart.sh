#!/bin/sh
exec systemctl restart mcads nginx

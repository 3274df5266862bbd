"""What Django would call the tables that seed.py makes."""

PATHOLOGIES = ("Atelectasis", "Cardiomegaly", "Effusion", "Pneumonia", "Pneumothorax")

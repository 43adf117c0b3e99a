"""Text classifiers of SimCert's study (minhaz-42/simcert-qnlp), written from the equations of their papers."""
